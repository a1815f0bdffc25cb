using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;

namespace RunnerVm.Vmm.Monitor.Machine;

/// <summary>A machine that was built: its vCPUs and what they touch. Everything on the event loop unless said otherwise.</summary>
internal sealed partial class MicroVm : IRunningMachine
{
    private readonly MicroVmParts _parts;
    private readonly IReadOnlyList<Vcpu> _vcpus;
    private bool _over;

    internal MicroVm(MicroVmParts parts, IReadOnlyList<Vcpu> vcpus) => (_parts, _vcpus) = (parts, vcpus);

    public bool Paused { get; private set; } = true;

    /// <summary>Exits of all vCPUs, for figures.</summary>
    public long Exits => _vcpus.Sum(static vcpu => vcpu.Exits);

    public void Pause()
    {
        foreach (var vcpu in _vcpus) vcpu.Ask(VcpuState.Paused);
        foreach (var vcpu in _vcpus) vcpu.WaitUntil(VcpuState.Paused);
        Paused = true;
    }

    public void Resume()
    {
        foreach (var vcpu in _vcpus) vcpu.Ask(VcpuState.Running);
        Paused = false;
    }

    public void SendCtrlAltDel()
    {
        if (!_parts.Keyboard.TypeCtrlAltDel())
            throw new VmmFaultException("The guest has not taken the keys typed before. Its kernel needs an i8042 keyboard driver; wait, or end the machine.");
    }

    public void UpdateDrive(string driveId, string? pathOnHost, RateLimiterConfiguration? limiter) => throw new NotImplementedException();

    public void UpdateNetworkInterface(string ifaceId, RateLimiterConfiguration? receive, RateLimiterConfiguration? transmit) => throw new NotImplementedException();

    public void UpdateBalloon(int amountMib) => throw new NotImplementedException();

    public void UpdateBalloonStatisticsInterval(int seconds) => throw new NotImplementedException();

    public BalloonStatistics ReadBalloonStatistics() => throw new NotImplementedException();

    /// <summary>Stops the vCPUs first: nothing they may touch goes before them.</summary>
    public void Dispose()
    {
        foreach (var vcpu in _vcpus) vcpu.Dispose();
        _parts.Dispose();
    }

    /// <summary>Any thread: the first end is the end.</summary>
    internal void OnEnd(GuestEnd end) => _parts.Loop.Post(() =>
    {
        if (_over) return;
        _over = true;
        Pause();
        _parts.Console.Flush();
        _parts.Ended(end);
    });
}

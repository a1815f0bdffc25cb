using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Devices.Legacy;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Balloon;

namespace RunnerVm.Vmm.Monitor.Machine;

/// <summary>A machine that was built: its vCPUs and what they touch. Everything on the event loop unless said otherwise.</summary>
internal sealed partial class MicroVm : IRunningMachine
{
    private readonly MicroVmParts _parts;
    private readonly IReadOnlyList<Vcpu> _vcpus;

    internal MicroVm(MicroVmParts parts, IReadOnlyList<Vcpu> vcpus)
    {
        (_parts, _vcpus) = (parts, vcpus);
        parts.Stop = Pause;
    }

    public bool Paused { get; private set; } = true;

    /// <summary>Exits of all vCPUs, for figures.</summary>
    public long Exits => _vcpus.Sum(static vcpu => vcpu.Exits);

    public IReadOnlyList<Vcpu> Vcpus => _vcpus;

    public SerialOutput Console => _parts.Console;

    public SerialPort Serial => _parts.Serial;

    public I8042 Keyboard => _parts.Keyboard;

    public VirtioDevices Virtio => _parts.Virtio;

    public void Pause()
    {
        foreach (var vcpu in _vcpus) vcpu.Ask(VcpuState.Paused);
        foreach (var vcpu in _vcpus) vcpu.WaitUntil(VcpuState.Paused);
        Paused = true;
    }

    public void Resume()
    {
        foreach (var vcpu in _vcpus) vcpu.Kvm.TellStopped();
        foreach (var vcpu in _vcpus) vcpu.Ask(VcpuState.Running);
        Paused = false;
    }

    public void SendCtrlAltDel()
    {
        if (!_parts.Keyboard.TypeCtrlAltDel())
            throw new VmmFaultException("The guest has not taken the keys typed before. Its kernel needs an i8042 keyboard driver; wait, or end the machine.");
    }

    public void UpdateDrive(string driveId, string? pathOnHost, RateLimiterConfiguration? limiter)
    {
        var (transport, device) = _parts.Virtio.Drive(driveId);
        transport.WithDevice(() => device.Update(pathOnHost, limiter));
    }

    public void UpdateNetworkInterface(string ifaceId, RateLimiterConfiguration? receive, RateLimiterConfiguration? transmit)
    {
        var (transport, device) = _parts.Virtio.NetworkInterface(ifaceId);
        transport.WithDevice(() => device.UpdateLimits(receive, transmit));
    }

    public void UpdateBalloon(int amountMib) => WithBalloon(balloon =>
    {
        balloon.Update(amountMib);
        return true;
    });

    public void UpdateBalloonStatisticsInterval(int seconds) => WithBalloon(balloon =>
    {
        balloon.UpdateStatisticsInterval(seconds);
        return true;
    });

    public BalloonStatistics ReadBalloonStatistics() => WithBalloon(static balloon => balloon.ReadStatistics());

    /// <summary>Stops the vCPUs first: nothing they may touch goes before them.</summary>
    public void Dispose()
    {
        foreach (var vcpu in _vcpus) vcpu.Dispose();
        _parts.Dispose();
    }

    private T WithBalloon<T>(Func<BalloonDevice, T> action)
    {
        var (transport, device) = _parts.Virtio.Balloon ?? throw new VmmFaultException("There is no balloon. PUT /balloon before the start.");
        return transport.WithDevice(() => action(device));
    }
}

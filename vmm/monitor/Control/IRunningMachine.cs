using RunnerVm.Vmm.Monitor.Configuration;

namespace RunnerVm.Vmm.Monitor.Control;

/// <summary>A started machine as the run-time controller sees it. Everything on the event loop.</summary>
/// <remarks>A refusal is a <see cref="VmmFaultException"/>: nothing was changed.</remarks>
internal interface IRunningMachine : IDisposable
{
    bool Paused { get; }

    /// <summary>Returns when every vCPU stands still. Twice is once.</summary>
    void Pause();

    void Resume();

    /// <summary>Only while it is paused, and it stays so.</summary>
    /// <param name="resources">What it is made of by now.</param>
    void CreateSnapshot(SnapshotRequest request, VmResources resources);

    /// <summary>Types Ctrl-Alt-Del on the guest's keyboard controller.</summary>
    void SendCtrlAltDel();

    /// <param name="pathOnHost">Null leaves the file as it is (its size is looked at again).</param>
    /// <param name="limiter">Null leaves the limits as they are.</param>
    void UpdateDrive(string driveId, string? pathOnHost, RateLimiterConfiguration? limiter);

    void UpdateNetworkInterface(string ifaceId, RateLimiterConfiguration? receive, RateLimiterConfiguration? transmit);

    void UpdateBalloon(int amountMib);

    void UpdateBalloonStatisticsInterval(int seconds);

    BalloonStatistics ReadBalloonStatistics();
}

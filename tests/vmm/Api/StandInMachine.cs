using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;

namespace RunnerVm.Tests.Vmm.Api;

/// <summary>A machine for tests of what stands before it: notes what it is asked.</summary>
internal sealed class StandInMachine(bool paused = false) : IRunningMachine
{
    public List<string> Calls { get; } = [];

    public bool Paused { get; private set; } = paused;

    public void Pause()
    {
        Paused = true;
        Calls.Add("pause");
    }

    public void Resume()
    {
        Paused = false;
        Calls.Add("resume");
    }

    public void CreateSnapshot(SnapshotRequest request, VmResources resources) => Calls.Add($"snapshot {request.SnapshotType} {request.MemFilePath}");

    public void SendCtrlAltDel() => Calls.Add("keys");

    public void UpdateDrive(string driveId, string? pathOnHost, RateLimiterConfiguration? limiter) => Calls.Add($"drive {driveId}");

    public void UpdateNetworkInterface(string ifaceId, RateLimiterConfiguration? receive, RateLimiterConfiguration? transmit) => Calls.Add($"net {ifaceId}");

    public void UpdateBalloon(int amountMib) => Calls.Add($"balloon {amountMib}");

    public void UpdateBalloonStatisticsInterval(int seconds) => Calls.Add($"interval {seconds}");

    public BalloonStatistics ReadBalloonStatistics() => new() { TargetPages = 512, ActualPages = 256, TargetMib = 2, ActualMib = 1, FreeMemory = 111, OomKill = 0 };

    public void Dispose() => Calls.Add("dispose");
}

using System.Diagnostics;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Metrics;
using RunnerVm.Vmm.Monitor.Mmds;
using RunnerVm.Vmm.Native;

namespace RunnerVm.Vmm.Monitor.Control;

/// <summary>What can be asked of a machine that has started. Event loop only.</summary>
internal sealed class RuntimeController(IRunningMachine machine, VmResources resources, MmdsDataStore metadata, MetricRegistry metrics)
{
    public const string NotAfter = "The requested operation is not supported after starting the microVM.";
    public const string NoBalloon = "There is no balloon: it is set with PUT /balloon, before the start.";
    private const string HotPlug = "It would be plugged into a running machine, which takes PCI, and that is not here. Send it before InstanceStart.";
    private readonly Gauge _pauseTime = metrics.Group("latencies_us").Gauge("vmm_pause_vm");
    private readonly Gauge _resumeTime = metrics.Group("latencies_us").Gauge("vmm_resume_vm");
    private readonly Gauge _fullSnapshotTime = metrics.Group("latencies_us").Gauge("vmm_full_create_snapshot");
    private readonly Gauge _diffSnapshotTime = metrics.Group("latencies_us").Gauge("vmm_diff_create_snapshot");
    private VmResources _resources = resources;

    /// <exception cref="VmmFaultException">Refused; nothing has changed.</exception>
    public VmmAnswer Run(VmmAction action)
    {
        try
        {
            return RunChecked(action);
        }
        catch (Exception cause) when (cause is LinuxException or IOException or UnauthorizedAccessException)
        {
            throw new VmmFaultException(cause.Message, cause);
        }
    }

    private VmmAnswer RunChecked(VmmAction action)
    {
        switch (action)
        {
            case VmmAction.GetInstance:
                return new VmmAnswer.InstanceIs(machine.Paused ? InstanceState.Paused : InstanceState.Running);
            case VmmAction.GetVersion:
                return new VmmAnswer.VersionIs();
            case VmmAction.GetConfiguration:
                return new VmmAnswer.ConfigurationIs(_resources);
            case VmmAction.GetMachine:
                return new VmmAnswer.MachineIs(_resources.Machine);
            case VmmAction.GetBalloon:
                return new VmmAnswer.BalloonIs(TheBalloon());
            case VmmAction.GetBalloonStatistics:
                if (TheBalloon().StatsPollingIntervalS == 0) throw new VmmFaultException("The balloon keeps no statistics: stats_polling_interval_s was 0 at the start.");
                return new VmmAnswer.StatisticsAre(machine.ReadBalloonStatistics());
            case VmmAction.GetMetadata or VmmAction.PutMetadata or VmmAction.PatchMetadata:
                return _resources.Mmds is not null || metadata.Initialized
                    ? MetadataActions.TryRun(action, metadata)!
                    : throw new VmmFaultException("There is no metadata service: send PUT /mmds or PUT /mmds/config before the start.");
            case VmmAction.InsertDrive or VmmAction.InsertNetworkInterface:
                throw new VmmFaultException(HotPlug);
        }

        Change(action);
        return VmmAnswer.Done.All;
    }

    private void Change(VmmAction action)
    {
        switch (action)
        {
            case VmmAction.Pause:
                Time(_pauseTime, machine.Pause);
                break;
            case VmmAction.Resume:
                Time(_resumeTime, machine.Resume);
                break;
            case VmmAction.CreateSnapshot create:
                if (!machine.Paused) throw new VmmFaultException("A snapshot can be taken of a machine that stands still only. Send PATCH /vm with Paused first.");
                Time(create.Request.SnapshotType == SnapshotType.Full ? _fullSnapshotTime : _diffSnapshotTime, () => machine.CreateSnapshot(create.Request, _resources));
                break;
            case VmmAction.SendCtrlAltDel:
                machine.SendCtrlAltDel();
                break;
            case VmmAction.FlushMetrics:
                metrics.Flush();
                break;
            case VmmAction.UpdateBalloon update:
                var balloon = TheBalloon();
                VmResources.CheckBalloon(update.AmountMib, _resources.Machine.MemSizeMib);
                machine.UpdateBalloon(update.AmountMib);
                _resources = _resources with { Balloon = balloon with { AmountMib = update.AmountMib } };
                break;
            case VmmAction.UpdateBalloonStatistics update:
                UpdateStatistics(update.Seconds);
                break;
            case VmmAction.UpdateDrive update:
                UpdateDrive(update);
                break;
            case VmmAction.UpdateNetworkInterface update:
                UpdateNetworkInterface(update);
                break;
            default:
                throw new VmmFaultException(NotAfter);
        }
    }

    private static void Time(Gauge microseconds, Action action)
    {
        var start = Stopwatch.GetTimestamp();
        action();
        microseconds.Set((long)Stopwatch.GetElapsedTime(start).TotalMicroseconds);
    }

    private void UpdateStatistics(int seconds)
    {
        var balloon = TheBalloon();
        if (seconds == 0 != (balloon.StatsPollingIntervalS == 0))
            throw new VmmFaultException("stats_polling_interval_s: statistics cannot be switched on or off after the start.");
        machine.UpdateBalloonStatisticsInterval(seconds);
        _resources = _resources with { Balloon = balloon with { StatsPollingIntervalS = seconds } };
    }

    private void UpdateDrive(VmmAction.UpdateDrive update)
    {
        var drive = _resources.Drives.FirstOrDefault(drive => drive.DriveId == update.DriveId) ??
                    throw new VmmFaultException($"drive_id: there is no drive {update.DriveId}. Name one of GET /vm/config.");
        if (update.PathOnHost is { } path) HostFiles.MustBeDisk("path_on_host", path, !drive.IsReadOnly);
        machine.UpdateDrive(update.DriveId, update.PathOnHost, update.Limiter);
        var updated = drive with { PathOnHost = update.PathOnHost ?? drive.PathOnHost, RateLimiter = Merge(drive.RateLimiter, update.Limiter) };
        _resources = _resources with { Drives = [.. _resources.Drives.Select(other => other == drive ? updated : other)] };
    }

    private void UpdateNetworkInterface(VmmAction.UpdateNetworkInterface update)
    {
        var network = _resources.NetworkInterfaces.FirstOrDefault(network => network.IfaceId == update.IfaceId) ??
                      throw new VmmFaultException($"iface_id: there is no interface {update.IfaceId}. Name one of GET /vm/config.");
        machine.UpdateNetworkInterface(update.IfaceId, update.Receive, update.Transmit);
        var updated = network with
        {
            RxRateLimiter = Merge(network.RxRateLimiter, update.Receive), TxRateLimiter = Merge(network.TxRateLimiter, update.Transmit),
        };
        _resources = _resources with { NetworkInterfaces = [.. _resources.NetworkInterfaces.Select(other => other == network ? updated : other)] };
    }

    private Balloon TheBalloon() => _resources.Balloon ?? throw new VmmFaultException(NoBalloon);

    /// <summary>A bucket that is not named stays as it is.</summary>
    private static RateLimiterConfiguration? Merge(RateLimiterConfiguration? old, RateLimiterConfiguration? update) =>
        update is null ? old : new() { Bandwidth = update.Bandwidth ?? old?.Bandwidth, Ops = update.Ops ?? old?.Ops };
}

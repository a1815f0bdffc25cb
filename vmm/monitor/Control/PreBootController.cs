using System.Diagnostics;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Logging;
using RunnerVm.Vmm.Monitor.Metrics;
using RunnerVm.Vmm.Monitor.Mmds;
using RunnerVm.Vmm.Native;

namespace RunnerVm.Vmm.Monitor.Control;

/// <summary>Builds and starts a machine; a refusal leaves nothing behind.</summary>
/// <param name="metadata">For the interfaces that answer for the metadata service.</param>
internal delegate IRunningMachine StartMachine(VmResources resources, MmdsDataStore metadata);

/// <summary>Restores a machine, which is paused unless it was to run; a refusal leaves nothing behind.</summary>
/// <param name="given">What was said before that is not the snapshot's: the console.</param>
/// <param name="metadata">For the interfaces that answer for the metadata service.</param>
internal delegate (IRunningMachine Machine, VmResources Resources) LoadMachine(SnapshotLoad load, VmResources given, MmdsDataStore metadata);

/// <summary>Gathers what the machine will be made of, and starts it. Event loop only.</summary>
internal sealed class PreBootController(
    StartMachine start, LoadMachine load, MmdsDataStore metadata, Logger logger, MetricRegistry metrics, bool bootTimer)
{
    public const string NotBefore = "The requested operation is not supported before starting the microVM.";

    public const string NotWithConfiguration =
        "Loading a microVM snapshot not allowed after configuring boot-specific resources: the snapshot has its own. Load it in a fresh process.";

    private readonly Gauge _loadTime = metrics.Group("latencies_us").Gauge("vmm_load_snapshot");

    /// <summary>Something was said about the machine to boot, even if it was refused.</summary>
    private bool _boots;

    public VmResources Resources { get; private set; } = new() { BootTimer = bootTimer };

    /// <summary>Set by the action that started it.</summary>
    public IRunningMachine? Machine { get; private set; }

    /// <exception cref="VmmFaultException">Refused; nothing has changed.</exception>
    public VmmAnswer Run(VmmAction action)
    {
        switch (action)
        {
            case VmmAction.GetInstance:
                return new VmmAnswer.InstanceIs(InstanceState.NotStarted);
            case VmmAction.GetVersion:
                return new VmmAnswer.VersionIs();
            case VmmAction.GetConfiguration:
                return new VmmAnswer.ConfigurationIs(Resources);
            case VmmAction.GetMachine:
                return new VmmAnswer.MachineIs(Resources.Machine);
            case VmmAction.GetBalloon:
                return new VmmAnswer.BalloonIs(Resources.Balloon ?? throw new VmmFaultException(RuntimeController.NoBalloon));
            case VmmAction.ConfigureLogger configure:
                logger.Configure(configure.Logger);
                return VmmAnswer.Done.All;
            case VmmAction.ConfigureMetrics configure:
                metrics.Configure(configure.Metrics);
                return VmmAnswer.Done.All;
            case VmmAction.LoadSnapshot snapshot:
                Load(snapshot.Load);
                return VmmAnswer.Done.All;
            case VmmAction.Start:
                StartWith(Resources);
                return VmmAnswer.Done.All;
            case VmmAction.Boot boot:
                StartWith(boot.Steps.Aggregate(Resources, static (resources, step) => Apply(resources, step) ?? throw new VmmFaultException(NotBefore)));
                return VmmAnswer.Done.All;
        }

        if (MetadataActions.TryRun(action, metadata) is { } answer) return answer;
        _boots |= IsOfBoot(action);
        Resources = Apply(Resources, action) ?? throw new VmmFaultException(NotBefore);
        if (action is VmmAction.SetMetadataService) ServeMetadata(Resources);
        return VmmAnswer.Done.All;
    }

    /// <summary>One thing more, or null where the action adds nothing to a machine.</summary>
    private static VmResources? Apply(VmResources resources, VmmAction action) => action switch
    {
        VmmAction.UpdateMachine update => resources.With(update.Update),
        VmmAction.SetCpu set => resources.With(set.Cpu),
        VmmAction.SetBootSource set => resources.With(set.Source),
        VmmAction.InsertDrive insert => resources.With(insert.Drive),
        VmmAction.InsertNetworkInterface insert => resources.With(insert.Network),
        VmmAction.SetVsock set => resources.With(set.Vsock),
        VmmAction.SetEntropy set => resources.With(set.Entropy),
        VmmAction.SetSerial set => resources.With(set.Serial),
        VmmAction.SetBalloon set => resources.With(set.Balloon),
        VmmAction.SetMetadataService set => resources.With(set.Mmds),
        _ => null,
    };

    /// <summary>Firecracker's list; console, logger, metrics and metadata are this process's, whatever machine it has.</summary>
    private static bool IsOfBoot(VmmAction action) => action is VmmAction.UpdateMachine or VmmAction.SetBootSource or VmmAction.InsertDrive
        or VmmAction.InsertNetworkInterface or VmmAction.SetVsock or VmmAction.SetEntropy or VmmAction.SetBalloon or VmmAction.SetMetadataService;

    private void Load(SnapshotLoad snapshot)
    {
        if (_boots) throw new VmmFaultException(NotWithConfiguration);
        var begin = Stopwatch.GetTimestamp();
        try
        {
            (Machine, Resources) = load(snapshot, Resources, metadata);
        }
        catch (Exception cause) when (cause is LinuxException or IOException or UnauthorizedAccessException)
        {
            throw new VmmFaultException($"Cannot load the snapshot: {cause.Message}", cause);
        }

        ServeMetadata(Resources);
        _loadTime.Set((long)Stopwatch.GetElapsedTime(begin).TotalMicroseconds);
    }

    private void StartWith(VmResources resources)
    {
        if (resources.BootSource is null) throw new VmmFaultException("Cannot start the machine: it has no kernel. Send PUT /boot-source first.");
        ServeMetadata(resources);
        try
        {
            Machine = start(resources, metadata);
        }
        catch (Exception cause) when (cause is LinuxException or IOException or UnauthorizedAccessException)
        {
            throw new VmmFaultException($"Cannot start the machine: {cause.Message}", cause);
        }

        Resources = resources;
    }

    private void ServeMetadata(VmResources resources)
    {
        if (resources.Mmds is not { } mmds) return;
        metadata.Version = mmds.Version;
        metadata.ImdsCompatible = mmds.ImdsCompat;
    }
}

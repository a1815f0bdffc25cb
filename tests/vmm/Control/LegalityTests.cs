using System.Reflection;
using System.Text.Json;
using Microsoft.Extensions.Time.Testing;
using RunnerVm.Tests.Vmm.Api;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Logging;
using RunnerVm.Vmm.Monitor.Metrics;
using RunnerVm.Vmm.Monitor.Mmds;
using Xunit;

namespace RunnerVm.Tests.Vmm.Control;

/// <summary>Every action before and after the start: done, or refused with the sentence of its phase.</summary>
public sealed class LegalityTests : IDisposable
{
    private const string Before = PreBootController.NotBefore;
    private const string After = RuntimeController.NotAfter;
    private const string Hotplug = "It would be plugged into a running machine, which takes PCI, and that is not here. Send it before InstanceStart.";
    private const string Running = "A snapshot can be taken of a machine that stands still only. Send PATCH /vm with Paused first.";
    private const string Nowhere = "Not here.";

    private readonly string _folder = Directory.CreateTempSubdirectory("legality-").FullName;
    private readonly EventLoop _loop = new();
    private readonly FakeTimeProvider _clock = new();
    private readonly Logger _logger;
    private readonly MetricRegistry _metrics;

    public LegalityTests()
    {
        (_logger, _metrics) = (new("test", _clock), new("test", _clock));
        _logger.Configure(new() { Level = LogLevel.Off });
        File.WriteAllBytes(At("kernel"), [0x7f, (byte)'E', (byte)'L', (byte)'F']);
        File.WriteAllBytes(At("disk"), new byte[512]);
    }

    /// <summary>Null: it is done.</summary>
    public static TheoryData<string, string?, string?> Matrix() => new()
    {
        { nameof(VmmAction.GetInstance), null, null },
        { nameof(VmmAction.GetVersion), null, null },
        { nameof(VmmAction.GetConfiguration), null, null },
        { nameof(VmmAction.GetMachine), null, null },
        { nameof(VmmAction.UpdateMachine), null, After },
        { nameof(VmmAction.SetCpu), null, After },
        { nameof(VmmAction.SetBootSource), null, After },
        { nameof(VmmAction.InsertDrive), null, Hotplug },
        { nameof(VmmAction.UpdateDrive), Before, null },
        { nameof(VmmAction.InsertNetworkInterface), null, Hotplug },
        { nameof(VmmAction.UpdateNetworkInterface), Before, null },
        { nameof(VmmAction.SetVsock), null, After },
        { nameof(VmmAction.SetEntropy), null, After },
        { nameof(VmmAction.SetSerial), null, After },
        { nameof(VmmAction.GetBalloon), null, null },
        { nameof(VmmAction.SetBalloon), null, After },
        { nameof(VmmAction.UpdateBalloon), Before, null },
        { nameof(VmmAction.GetBalloonStatistics), Before, null },
        { nameof(VmmAction.UpdateBalloonStatistics), Before, null },
        { nameof(VmmAction.GetMetadata), null, null },
        { nameof(VmmAction.PutMetadata), null, null },
        { nameof(VmmAction.PatchMetadata), null, null },
        { nameof(VmmAction.SetMetadataService), null, After },
        { nameof(VmmAction.ConfigureLogger), null, After },
        { nameof(VmmAction.ConfigureMetrics), null, After },
        { nameof(VmmAction.FlushMetrics), Before, null },
        { nameof(VmmAction.Start), null, After },
        { nameof(VmmAction.SendCtrlAltDel), Before, null },
        { nameof(VmmAction.Pause), Before, null },
        { nameof(VmmAction.Resume), Before, null },
        { nameof(VmmAction.CreateSnapshot), Before, Running },
        { nameof(VmmAction.LoadSnapshot), PreBootController.NotWithConfiguration, After },
        { nameof(VmmAction.Boot), null, After },
        { nameof(VmmAction.NotHere), Nowhere, Nowhere },
    };

    [Fact]
    public void No_action_is_forgotten()
    {
        var all = typeof(VmmAction).GetNestedTypes(BindingFlags.Public | BindingFlags.NonPublic).Where(static type => type.IsSubclassOf(typeof(VmmAction))).Select(static type => type.Name);
        Assert.Equal(all.Order(StringComparer.Ordinal), Matrix().Select(static row => row.Data.Item1).Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Matrix))]
    public void Before_the_start(string action, string? refusal, string? _) => Check(Ready(out var _), action, refusal);

    [Theory]
    [MemberData(nameof(Matrix))]
    public void After_the_start(string action, string? _, string? refusal)
    {
        var door = Ready(out var machine);
        door.Run(new VmmAction.Start());
        Check(door, action, refusal);
        if (refusal is not null) Assert.Equal(["dispose"], machine().Calls);
    }

    [Fact]
    public void A_start_that_fails_leaves_it_before_the_start_with_all_that_was_set()
    {
        var fail = true;
        var metadata = new MmdsDataStore(1000, _clock);
        using var door = new VmmDoor(
            _loop, new(Start, Load, metadata, _logger, _metrics, bootTimer: false), metadata, _metrics, _logger.For("control"));
        door.Run(new VmmAction.SetBootSource(new() { KernelImagePath = At("kernel") }));
        Assert.Equal("no such TAP", Assert.Throws<VmmFaultException>(() => door.Run(new VmmAction.Start())).Message);
        Assert.Equal(new VmmAnswer.InstanceIs(InstanceState.NotStarted), door.Run(new VmmAction.GetInstance()));
        fail = false;
        door.Run(new VmmAction.Start());
        Assert.Equal(new VmmAnswer.InstanceIs(InstanceState.Running), door.Run(new VmmAction.GetInstance()));

        IRunningMachine Start(VmResources resources, MmdsDataStore _) => fail ? throw new VmmFaultException("no such TAP") : new StandInMachine();
    }

    [Theory]
    [InlineData(nameof(VmmAction.UpdateMachine))]
    [InlineData(nameof(VmmAction.SetBootSource))]
    [InlineData(nameof(VmmAction.InsertDrive))]
    [InlineData(nameof(VmmAction.InsertNetworkInterface))]
    [InlineData(nameof(VmmAction.SetVsock))]
    [InlineData(nameof(VmmAction.SetEntropy))]
    [InlineData(nameof(VmmAction.SetBalloon))]
    public void A_snapshot_is_not_loaded_over_what_was_said_of_a_machine_to_boot(string action)
    {
        using var door = Fresh();
        door.Run(Example(action, _folder));
        Assert.Equal(PreBootController.NotWithConfiguration, Assert.Throws<VmmFaultException>(() => door.Run(Example("LoadSnapshot", _folder))).Message);
    }

    [Theory]
    [InlineData(nameof(VmmAction.SetSerial))]
    [InlineData(nameof(VmmAction.PutMetadata))]
    [InlineData(nameof(VmmAction.ConfigureLogger))]
    [InlineData(nameof(VmmAction.ConfigureMetrics))]
    [InlineData(nameof(VmmAction.SetCpu))]
    [InlineData(nameof(VmmAction.GetConfiguration))]
    public void A_snapshot_is_loaded_after_what_is_the_process_s_own_and_paused(string action)
    {
        using var door = Fresh();
        door.Run(Example(action, _folder));
        door.Run(Example("LoadSnapshot", _folder));
        Assert.Equal(new VmmAnswer.InstanceIs(InstanceState.Paused), door.Run(new VmmAction.GetInstance()));
        Assert.NotNull(door.Run(Example("CreateSnapshot", _folder)));
        door.Run(new VmmAction.Resume());
        Assert.Equal(Running, Assert.Throws<VmmFaultException>(() => door.Run(Example("CreateSnapshot", _folder))).Message);
    }

    public void Dispose()
    {
        _metrics.Dispose();
        _logger.Dispose();
        _loop.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private VmmDoor Fresh()
    {
        var metadata = new MmdsDataStore(1000, _clock);
        return new(_loop, new((_, _) => new StandInMachine(), Load, metadata, _logger, _metrics, bootTimer: false), metadata, _metrics, _logger.For("control"));
    }

    private static (IRunningMachine Machine, VmResources Resources) Load(SnapshotLoad load, VmResources given, MmdsDataStore metadata) =>
        (new StandInMachine(paused: true), given);

    private void Check(VmmDoor door, string action, string? refusal)
    {
        var what = Example(action, _folder);
        if (refusal is null) Assert.NotNull(door.Run(what));
        else Assert.Equal(refusal, Assert.Throws<VmmFaultException>(() => door.Run(what)).Message);
        door.Dispose();
    }

    /// <summary>A door into a machine that has one of each, so that an action's own reasons to be refused are none.</summary>
    private VmmDoor Ready(out Func<StandInMachine> machine)
    {
        StandInMachine? started = null;
        machine = () => started!;
        var metadata = new MmdsDataStore(1000, _clock);
        var door = new VmmDoor(
            _loop, new((_, _) => started = new StandInMachine(), Load, metadata, _logger, _metrics, bootTimer: false), metadata, _metrics, _logger.For("control"));
        foreach (var step in new[] { "SetBootSource", "InsertDrive", "InsertNetworkInterface", "SetBalloon", "PutMetadata" }) door.Run(Example(step, _folder));
        return door;
    }

    private string At(string name) => Path.Combine(_folder, name);

    private static VmmAction Example(string name, string folder)
    {
        using var json = JsonDocument.Parse("{}");
        return name switch
        {
            nameof(VmmAction.GetInstance) => new VmmAction.GetInstance(),
            nameof(VmmAction.GetVersion) => new VmmAction.GetVersion(),
            nameof(VmmAction.GetConfiguration) => new VmmAction.GetConfiguration(),
            nameof(VmmAction.GetMachine) => new VmmAction.GetMachine(),
            nameof(VmmAction.UpdateMachine) => new VmmAction.UpdateMachine(new() { VcpuCount = 2 }),
            nameof(VmmAction.SetCpu) => new VmmAction.SetCpu(new()),
            nameof(VmmAction.SetBootSource) => new VmmAction.SetBootSource(new() { KernelImagePath = $"{folder}/kernel" }),
            nameof(VmmAction.InsertDrive) => new VmmAction.InsertDrive(new() { DriveId = "d", IsRootDevice = true, PathOnHost = $"{folder}/disk" }),
            nameof(VmmAction.UpdateDrive) => new VmmAction.UpdateDrive("d", null, null),
            nameof(VmmAction.InsertNetworkInterface) => new VmmAction.InsertNetworkInterface(new() { IfaceId = "n", HostDevName = "tap0" }),
            nameof(VmmAction.UpdateNetworkInterface) => new VmmAction.UpdateNetworkInterface("n", null, null),
            nameof(VmmAction.SetVsock) => new VmmAction.SetVsock(new() { GuestCid = 3, UdsPath = $"{folder}/v.sock" }),
            nameof(VmmAction.SetEntropy) => new VmmAction.SetEntropy(new()),
            nameof(VmmAction.SetSerial) => new VmmAction.SetSerial(new()),
            nameof(VmmAction.GetBalloon) => new VmmAction.GetBalloon(),
            nameof(VmmAction.SetBalloon) => new VmmAction.SetBalloon(new() { AmountMib = 1, DeflateOnOom = true, StatsPollingIntervalS = 1 }),
            nameof(VmmAction.UpdateBalloon) => new VmmAction.UpdateBalloon(2),
            nameof(VmmAction.GetBalloonStatistics) => new VmmAction.GetBalloonStatistics(),
            nameof(VmmAction.UpdateBalloonStatistics) => new VmmAction.UpdateBalloonStatistics(2),
            nameof(VmmAction.GetMetadata) => new VmmAction.GetMetadata(),
            nameof(VmmAction.PutMetadata) => new VmmAction.PutMetadata(json.RootElement.Clone()),
            nameof(VmmAction.PatchMetadata) => new VmmAction.PatchMetadata(json.RootElement.Clone()),
            nameof(VmmAction.SetMetadataService) => new VmmAction.SetMetadataService(new() { NetworkInterfaces = ["n"] }),
            nameof(VmmAction.ConfigureLogger) => new VmmAction.ConfigureLogger(new() { Level = LogLevel.Off }),
            nameof(VmmAction.ConfigureMetrics) => new VmmAction.ConfigureMetrics(new() { MetricsPath = $"{folder}/metrics" }),
            nameof(VmmAction.FlushMetrics) => new VmmAction.FlushMetrics(),
            nameof(VmmAction.Start) => new VmmAction.Start(),
            nameof(VmmAction.SendCtrlAltDel) => new VmmAction.SendCtrlAltDel(),
            nameof(VmmAction.Pause) => new VmmAction.Pause(),
            nameof(VmmAction.Resume) => new VmmAction.Resume(),
            nameof(VmmAction.CreateSnapshot) => new VmmAction.CreateSnapshot(new() { SnapshotPath = $"{folder}/state", MemFilePath = $"{folder}/memory" }),
            nameof(VmmAction.LoadSnapshot) => new VmmAction.LoadSnapshot(new() { SnapshotPath = $"{folder}/state", MemFilePath = $"{folder}/memory" }),
            nameof(VmmAction.Boot) => new VmmAction.Boot([new VmmAction.UpdateMachine(new() { VcpuCount = 2 })]),
            _ => new VmmAction.NotHere(Nowhere),
        };
    }
}

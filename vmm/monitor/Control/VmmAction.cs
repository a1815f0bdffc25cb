using System.Text.Json;
using RunnerVm.Vmm.Monitor.Configuration;

namespace RunnerVm.Vmm.Monitor.Control;

/// <summary>
/// Everything that can be asked of this process: the one door, whoever asks. Each says when it is legal; in the other
/// phase it is refused with Firecracker's words. All of them run on the event loop.
/// </summary>
internal abstract record VmmAction
{
    private VmmAction()
    {
    }

    /// <summary>GET /. Always.</summary>
    public sealed record GetInstance : VmmAction;

    /// <summary>GET /version. Always.</summary>
    public sealed record GetVersion : VmmAction;

    /// <summary>GET /vm/config. Always.</summary>
    public sealed record GetConfiguration : VmmAction;

    /// <summary>GET /machine-config. Always.</summary>
    public sealed record GetMachine : VmmAction;

    /// <summary>PUT and PATCH /machine-config. Before the start.</summary>
    public sealed record UpdateMachine(MachineUpdate Update) : VmmAction;

    /// <summary>PUT /cpu-config. Before the start.</summary>
    public sealed record SetCpu(CpuConfiguration Cpu) : VmmAction;

    /// <summary>PUT /boot-source. Before the start.</summary>
    public sealed record SetBootSource(BootSource Source) : VmmAction;

    /// <summary>PUT /drives/{id}. Before the start (adding one to a running machine takes PCI, which is not here).</summary>
    public sealed record InsertDrive(Drive Drive) : VmmAction;

    /// <summary>PATCH /drives/{id}. After the start.</summary>
    public sealed record UpdateDrive(string DriveId, string? PathOnHost, RateLimiterConfiguration? Limiter) : VmmAction;

    /// <summary>PUT /network-interfaces/{id}. Before the start (adding one to a running machine takes PCI, which is not here).</summary>
    public sealed record InsertNetworkInterface(NetworkInterface Network) : VmmAction;

    /// <summary>PATCH /network-interfaces/{id}. After the start.</summary>
    public sealed record UpdateNetworkInterface(string IfaceId, RateLimiterConfiguration? Receive, RateLimiterConfiguration? Transmit) : VmmAction;

    /// <summary>PUT /vsock. Before the start.</summary>
    public sealed record SetVsock(Vsock Vsock) : VmmAction;

    /// <summary>PUT /entropy. Before the start.</summary>
    public sealed record SetEntropy(Entropy Entropy) : VmmAction;

    /// <summary>PUT /serial. Before the start.</summary>
    public sealed record SetSerial(Serial Serial) : VmmAction;

    /// <summary>GET /balloon. Always.</summary>
    public sealed record GetBalloon : VmmAction;

    /// <summary>PUT /balloon. Before the start.</summary>
    public sealed record SetBalloon(Balloon Balloon) : VmmAction;

    /// <summary>PATCH /balloon. After the start.</summary>
    public sealed record UpdateBalloon(int AmountMib) : VmmAction;

    /// <summary>GET /balloon/statistics. After the start.</summary>
    public sealed record GetBalloonStatistics : VmmAction;

    /// <summary>PATCH /balloon/statistics. After the start.</summary>
    public sealed record UpdateBalloonStatistics(int Seconds) : VmmAction;

    /// <summary>GET /mmds. Always; after the start if there was metadata or its configuration before.</summary>
    public sealed record GetMetadata : VmmAction;

    /// <summary>PUT /mmds. As <see cref="GetMetadata"/>.</summary>
    public sealed record PutMetadata(JsonElement Value) : VmmAction;

    /// <summary>PATCH /mmds. As <see cref="GetMetadata"/>, after a PUT.</summary>
    public sealed record PatchMetadata(JsonElement Value) : VmmAction;

    /// <summary>PUT /mmds/config. Before the start.</summary>
    public sealed record SetMetadataService(MmdsConfiguration Mmds) : VmmAction;

    /// <summary>PUT /logger. Before the start.</summary>
    public sealed record ConfigureLogger(LoggerConfiguration Logger) : VmmAction;

    /// <summary>PUT /metrics. Before the start.</summary>
    public sealed record ConfigureMetrics(MetricsConfiguration Metrics) : VmmAction;

    /// <summary>PUT /actions FlushMetrics. After the start.</summary>
    public sealed record FlushMetrics : VmmAction;

    /// <summary>PUT /actions InstanceStart. Before the start, once.</summary>
    public sealed record Start : VmmAction;

    /// <summary>PUT /actions SendCtrlAltDel. After the start.</summary>
    public sealed record SendCtrlAltDel : VmmAction;

    /// <summary>PATCH /vm Paused. After the start.</summary>
    public sealed record Pause : VmmAction;

    /// <summary>PATCH /vm Resumed. After the start.</summary>
    public sealed record Resume : VmmAction;

    /// <summary>PUT /snapshot/create. After the start, while it is paused.</summary>
    public sealed record CreateSnapshot(SnapshotRequest Request) : VmmAction;

    /// <summary>PUT /snapshot/load. Before the start, as long as nothing was said about the machine to boot.</summary>
    public sealed record LoadSnapshot(SnapshotLoad Load) : VmmAction;

    /// <summary>PUT /boot, and --config-file: these one after the other and then <see cref="Start"/>, or nothing at all. Before the start.</summary>
    public sealed record Boot(IReadOnlyList<VmmAction> Steps) : VmmAction
    {
        public bool Equals(Boot? other) => other is not null && Steps.SequenceEqual(other.Steps);

        public override int GetHashCode() => Steps.Count;
    }

    /// <summary>What Firecracker has and we have not: pmem, hot plug. Always refused, with <paramref name="Reason"/>.</summary>
    public sealed record NotHere(string Reason) : VmmAction;
}

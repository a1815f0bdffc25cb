using RunnerVm.Vmm.Monitor.Devices.Virtio.Balloon;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Block;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Net;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Rng;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;
using RunnerVm.Vmm.Monitor.Machine;
using RunnerVm.Vmm.Monitor.Mmds;

namespace RunnerVm.Vmm.Monitor.Metrics;

/// <summary>
/// What a machine's parts count, under Firecracker's names. The parts know nothing of it: each flush reads their counters.
/// Names of Firecracker's for what nobody counts here are left out.
/// </summary>
internal static class MachineMetrics
{
    public static void Observe(MetricRegistry registry, MicroVm machine)
    {
        AddVcpus(registry.Group("vcpu"), machine.Vcpus);
        AddLegacy(registry, machine);
        if (machine.Virtio.Balloon is { } balloon) AddBalloon(registry.Group("balloon"), balloon.Device.Counters);
        AddBlock(registry, [.. machine.Virtio.Drives]);
        AddNet(registry, [.. machine.Virtio.NetworkInterfaces]);
        if (machine.Virtio.Vsock is { } vsock) AddVsock(registry.Group("vsock"), vsock.Counters);
        if (machine.Virtio.Entropy is { } entropy) AddEntropy(registry.Group("entropy"), entropy.Counters);
    }

    /// <summary>Of the metadata service, on all network cards that have it.</summary>
    public static void Observe(MetricRegistry registry, MmdsCounters counters) => registry.Group("mmds")
        .Observe("rx_accepted", () => counters.ReceivedFrames)
        .Observe("rx_accepted_err", () => counters.Malformed)
        .Observe("rx_accepted_unusual", () => counters.Unusual)
        .Observe("tx_frames", () => counters.SentFrames)
        .Observe("tx_bytes", () => counters.SentBytes)
        .Observe("connections_created", () => counters.ConnectionsCreated)
        .Observe("connections_destroyed", () => counters.ConnectionsDestroyed)
        .Observe("rx_invalid_token", () => counters.InvalidTokens)
        .Observe("rx_no_token", () => counters.MissingTokens);

    private static void AddVcpus(MetricGroup group, IReadOnlyList<Vcpu> vcpus) => group
        .Observe("exit_io_in", () => vcpus.Sum(static vcpu => vcpu.Counters.PortReads))
        .Observe("exit_io_out", () => vcpus.Sum(static vcpu => vcpu.Counters.PortWrites))
        .Observe("exit_mmio_read", () => vcpus.Sum(static vcpu => vcpu.Counters.MmioReads))
        .Observe("exit_mmio_write", () => vcpus.Sum(static vcpu => vcpu.Counters.MmioWrites))
        .Observe("failures", () => vcpus.Sum(static vcpu => vcpu.Counters.Failures));

    private static void AddLegacy(MetricRegistry registry, MicroVm machine)
    {
        var (serial, output, keyboard) = (machine.Serial.Counters, machine.Console, machine.Keyboard.Counters);
        registry.Group("uart")
            .Observe("read_count", () => serial.Reads)
            .Observe("missed_read_count", () => serial.MissedReads)
            .Observe("write_count", () => serial.Writes)
            .Observe("missed_write_count", () => output.Lost)
            .Observe("rate_limiter_dropped_bytes", () => output.Limited);
        registry.Group("i8042")
            .Observe("read_count", () => keyboard.Reads)
            .Observe("missed_read_count", () => keyboard.MissedReads)
            .Observe("write_count", () => keyboard.Writes)
            .Observe("missed_write_count", () => keyboard.MissedWrites)
            .Observe("reset_count", () => keyboard.Resets);
    }

    private static void AddBalloon(MetricGroup group, BalloonCounters counters) => group
        .Observe("inflate_count", () => counters.InflateRequests)
        .Observe("deflate_count", () => counters.DeflateRequests)
        .Observe("stats_updates_count", () => counters.StatisticsUpdates)
        .Observe("stats_update_fails", () => counters.StatisticsFailures)
        .Observe("free_page_report_count", () => counters.Reports)
        .Observe("event_fails", () => counters.InvalidRequests + counters.InvalidPages + counters.Failures);

    /// <summary>Each drive's own group, and all together in <c>block</c>.</summary>
    private static void AddBlock(MetricRegistry registry, IReadOnlyList<(string Id, BlockDevice Device)> drives)
    {
        AddBlock(registry.Group("block"), [.. drives.Select(static drive => drive.Device.Counters)]);
        foreach (var (id, device) in drives) AddBlock(registry.Group($"block_{id}"), [device.Counters]);
    }

    private static void AddBlock(MetricGroup group, BlockCounters[] drives) => group
        .Observe("queue_event_count", () => drives.Sum(static drive => drive.QueueEvents))
        .Observe("read_count", () => drives.Sum(static drive => drive.Reads))
        .Observe("read_bytes", () => drives.Sum(static drive => drive.ReadBytes))
        .Observe("write_count", () => drives.Sum(static drive => drive.Writes))
        .Observe("write_bytes", () => drives.Sum(static drive => drive.WriteBytes))
        .Observe("flush_count", () => drives.Sum(static drive => drive.Flushes))
        .Observe("invalid_reqs_count", () => drives.Sum(static drive => drive.InvalidRequests))
        .Observe("execute_fails", () => drives.Sum(static drive => drive.Failures))
        .Observe("rate_limiter_throttled_events", () => drives.Sum(static drive => drive.Throttled))
        .Observe("update_count", () => drives.Sum(static drive => drive.Updates));

    /// <summary>As for drives: <c>net</c> and <c>net_{id}</c>.</summary>
    private static void AddNet(MetricRegistry registry, IReadOnlyList<(string Id, NetDevice Device)> interfaces)
    {
        AddNet(registry.Group("net"), [.. interfaces.Select(static network => network.Device.Counters)]);
        foreach (var (id, device) in interfaces) AddNet(registry.Group($"net_{id}"), [device.Counters]);
    }

    private static void AddNet(MetricGroup group, NetCounters[] interfaces) => group
        .Observe("rx_packets_count", () => interfaces.Sum(static network => network.ReceivedFrames))
        .Observe("rx_bytes_count", () => interfaces.Sum(static network => network.ReceivedBytes))
        .Observe("no_rx_avail_buffer", () => interfaces.Sum(static network => network.NoBuffers))
        .Observe("rx_fails", () => interfaces.Sum(static network => network.ReceiveFailures))
        .Observe("rx_rate_limiter_throttled", () => interfaces.Sum(static network => network.ReceiveThrottled))
        .Observe("tap_read_fails", () => interfaces.Sum(static network => network.ReadFailures))
        .Observe("tx_packets_count", () => interfaces.Sum(static network => network.TransmittedFrames))
        .Observe("tx_bytes_count", () => interfaces.Sum(static network => network.TransmittedBytes))
        .Observe("tx_malformed_frames", () => interfaces.Sum(static network => network.Malformed))
        .Observe("tx_rate_limiter_throttled", () => interfaces.Sum(static network => network.TransmitThrottled))
        .Observe("tap_write_fails", () => interfaces.Sum(static network => network.WriteFailures))
        .Observe("tx_spoofed_mac_count", () => interfaces.Sum(static network => network.SpoofedMac));

    private static void AddVsock(MetricGroup group, VsockCounters counters) => group
        .Observe("tx_packets_count", () => counters.TransmittedPackets)
        .Observe("tx_bytes_count", () => counters.TransmittedBytes)
        .Observe("rx_packets_count", () => counters.ReceivedPackets)
        .Observe("rx_bytes_count", () => counters.ReceivedBytes)
        .Observe("conns_added", () => counters.Added)
        .Observe("conns_removed", () => counters.Removed)
        .Observe("conns_killed", () => counters.Killed)
        .Observe("rx_read_fails", () => counters.ReadFailures)
        .Observe("tx_queue_event_fails", () => counters.Malformed);

    private static void AddEntropy(MetricGroup group, RngCounters counters) => group
        .Observe("entropy_event_count", () => counters.Requests)
        .Observe("entropy_bytes", () => counters.Bytes)
        .Observe("entropy_event_fails", () => counters.Failures)
        .Observe("entropy_rate_limiter_throttled", () => counters.Throttled);
}

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;

/// <summary>What has happened on the device, for the metrics. Written on the event loop, read from anywhere.</summary>
internal sealed class VsockCounters
{
    /// <summary>Packets of the guest.</summary>
    public long TransmittedPackets;

    /// <summary>Bytes of the guest that the host has taken.</summary>
    public long TransmittedBytes;

    /// <summary>Packets for the guest.</summary>
    public long ReceivedPackets;

    /// <summary>Bytes of the host that the guest was given.</summary>
    public long ReceivedBytes;

    public long Added;

    public long Removed;

    /// <summary>Of those removed, by timeout or because somebody broke the rules.</summary>
    public long Killed;

    /// <summary>Reading from a host's socket failed.</summary>
    public long ReadFailures;

    /// <summary>Chains that hold no packet, packets to or from somebody else.</summary>
    public long Malformed;

    /// <summary>Connections refused because there are as many as we serve.</summary>
    public long Refused;
}

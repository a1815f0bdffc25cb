namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Net;

/// <summary>What has happened on the device, for the metrics: received is what the guest got. Written on the event loop.</summary>
internal sealed class NetCounters
{
    public long ReceivedFrames { get; set; }

    /// <summary>Headers included, as Firecracker counts.</summary>
    public long ReceivedBytes { get; set; }

    /// <summary>Times a frame had to wait since the guest had given no buffers.</summary>
    public long NoBuffers { get; set; }

    /// <summary>Buffers that came back empty since nothing fits.</summary>
    public long ReceiveFailures { get; set; }

    public long ReceiveThrottled { get; set; }

    public long ReadFailures { get; set; }

    public long TransmittedFrames { get; set; }

    public long TransmittedBytes { get; set; }

    /// <summary>Frames that are none: too short, too long.</summary>
    public long Malformed { get; set; }

    public long TransmitThrottled { get; set; }

    /// <summary>Frames the TAP device did not take; an interface that is down takes none.</summary>
    public long WriteFailures { get; set; }

    /// <summary>Frames that named another sender than the guest's address.</summary>
    public long SpoofedMac { get; set; }
}

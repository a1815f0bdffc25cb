namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Block;

/// <summary>What a disk did since the start. Written on the event loop.</summary>
internal sealed class BlockCounters
{
    public long QueueEvents { get; set; }

    public long Reads { get; set; }

    public long ReadBytes { get; set; }

    public long Writes { get; set; }

    public long WriteBytes { get; set; }

    public long Flushes { get; set; }

    /// <summary>Ranges given back or zeroed.</summary>
    public long Discards { get; set; }

    /// <summary>Requests that could not be: outside the disk, malformed, unsupported.</summary>
    public long InvalidRequests { get; set; }

    /// <summary>Requests the host's disk failed.</summary>
    public long Failures { get; set; }

    /// <summary>Requests that had to wait for their limit.</summary>
    public long Throttled { get; set; }

    /// <summary>Times the file was changed.</summary>
    public long Updates { get; set; }
}

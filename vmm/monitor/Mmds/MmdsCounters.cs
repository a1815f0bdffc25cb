namespace RunnerVm.Vmm.Monitor.Mmds;

/// <summary>What has happened on the guest's side, for the metrics: received is what came from the guest. Written on the event loop.</summary>
internal sealed class MmdsCounters
{
    /// <summary>Frames that were for the service.</summary>
    public long ReceivedFrames { get; set; }

    /// <summary>Of those, what makes no sense.</summary>
    public long Malformed { get; set; }

    /// <summary>IPv4 that is not TCP.</summary>
    public long Unusual { get; set; }

    public long SentFrames { get; set; }

    public long SentBytes { get; set; }

    public long ConnectionsCreated { get; set; }

    public long ConnectionsDestroyed { get; set; }

    public long InvalidTokens { get; set; }

    public long MissingTokens { get; set; }
}

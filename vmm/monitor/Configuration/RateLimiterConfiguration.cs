namespace RunnerVm.Vmm.Monitor.Configuration;

/// <summary>Limits on a device's traffic; a missing one is none.</summary>
internal sealed record RateLimiterConfiguration
{
    /// <summary>In bytes.</summary>
    public TokenBucketConfiguration? Bandwidth { get; init; }

    /// <summary>In requests.</summary>
    public TokenBucketConfiguration? Ops { get; init; }
}

/// <summary>A bucket that refills steadily. Size or refill time zero: no limit, as in Firecracker.</summary>
internal sealed record TokenBucketConfiguration
{
    /// <summary>Tokens it holds when full.</summary>
    public required long Size { get; init; }

    /// <summary>Extra tokens in the beginning, never refilled.</summary>
    public long? OneTimeBurst { get; init; }

    /// <summary>Milliseconds from empty to full.</summary>
    public required long RefillTime { get; init; }
}

namespace RunnerVm.Vmm.Monitor.Configuration;

/// <summary>/vsock</summary>
internal sealed record Vsock
{
    /// <summary>3 to 2^32 - 2.</summary>
    public required uint GuestCid { get; init; }

    /// <summary>The Unix socket we listen on for the host's connections; a guest's connection to port P goes to {path}_P.</summary>
    public required string UdsPath { get; init; }

    /// <summary>Deprecated by Firecracker and without effect.</summary>
    public string? VsockId { get; init; }
}

/// <summary>/entropy</summary>
internal sealed record Entropy
{
    public RateLimiterConfiguration? RateLimiter { get; init; }
}

/// <summary>/balloon</summary>
internal sealed record Balloon
{
    public required int AmountMib { get; init; }

    public required bool DeflateOnOom { get; init; }

    /// <summary>Zero: no statistics, and they cannot be switched on later.</summary>
    public int StatsPollingIntervalS { get; init; }

    public bool FreePageHinting { get; init; }

    public bool FreePageReporting { get; init; }
}

/// <summary>/serial</summary>
internal sealed record Serial
{
    /// <summary>Where the guest's console goes instead of our standard output.</summary>
    public string? SerialOutPath { get; init; }

    /// <summary>Limits what the guest prints, in bytes; what is beyond is dropped and counted.</summary>
    public TokenBucketConfiguration? RateLimiter { get; init; }
}

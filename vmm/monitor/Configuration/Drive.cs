namespace RunnerVm.Vmm.Monitor.Configuration;

/// <summary>/drives/{drive_id}</summary>
internal sealed record Drive
{
    public required string DriveId { get; init; }

    public required bool IsRootDevice { get; init; }

    /// <summary>A file or block device.</summary>
    public string? PathOnHost { get; init; }

    public bool IsReadOnly { get; init; }

    /// <summary>Of the root device; else the disk itself is mounted.</summary>
    public string? Partuuid { get; init; }

    public CacheType CacheType { get; init; }

    public IoEngine IoEngine { get; init; }

    public RateLimiterConfiguration? RateLimiter { get; init; }
}

/// <summary>Whether a flush of the guest reaches the disk.</summary>
internal enum CacheType
{
    Unsafe,
    Writeback,
}

internal enum IoEngine
{
    Sync,
    Async,
}

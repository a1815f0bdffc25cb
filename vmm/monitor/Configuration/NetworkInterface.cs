namespace RunnerVm.Vmm.Monitor.Configuration;

/// <summary>/network-interfaces/{iface_id}</summary>
internal sealed record NetworkInterface
{
    public required string IfaceId { get; init; }

    /// <summary>A TAP device that exists or that we may create.</summary>
    public required string HostDevName { get; init; }

    /// <summary>aa:bb:cc:dd:ee:ff; null leaves the choice to the guest.</summary>
    public string? GuestMac { get; init; }

    public int? Mtu { get; init; }

    public RateLimiterConfiguration? RxRateLimiter { get; init; }

    public RateLimiterConfiguration? TxRateLimiter { get; init; }
}

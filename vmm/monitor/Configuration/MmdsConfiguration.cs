using RunnerVm.Vmm.Monitor.Mmds;

namespace RunnerVm.Vmm.Monitor.Configuration;

/// <summary>/mmds/config</summary>
internal sealed record MmdsConfiguration
{
    public const string DefaultAddress = "169.254.169.254";

    public MmdsVersion Version { get; init; }

    /// <summary>Ids of interfaces; at least one.</summary>
    public required IReadOnlyList<string> NetworkInterfaces { get; init; }

    /// <summary>Dotted; a link-local address.</summary>
    public string Ipv4Address { get; init; } = DefaultAddress;

    /// <summary>Answers as EC2 does, whatever the guest accepts.</summary>
    public bool ImdsCompat { get; init; }
}

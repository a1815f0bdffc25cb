namespace RunnerVm.Vmm.Monitor.Configuration;

/// <summary>
/// Everything a machine is made of, as gathered before its start by the API or read from --config-file. The records beside
/// this one are Firecracker's API objects: a property's name in snake_case is its JSON name. The chapters of this type are
/// the rules: each gives a new set with one thing more, or refuses it and changes nothing.
/// </summary>
internal sealed partial record VmResources
{
    public MachineConfiguration Machine { get; init; } = new();

    public BootSource? BootSource { get; init; }

    public CpuConfiguration? Cpu { get; init; }

    /// <summary>In the order they were added; the root device first. Their order is that of /dev/vda, vdb, ...</summary>
    public IReadOnlyList<Drive> Drives { get; init; } = [];

    public IReadOnlyList<NetworkInterface> NetworkInterfaces { get; init; } = [];

    public Vsock? Vsock { get; init; }

    public Entropy? Entropy { get; init; }

    public Balloon? Balloon { get; init; }

    public Serial? Serial { get; init; }

    /// <summary>Which interfaces answer for the metadata service, and how; null for none.</summary>
    public MmdsConfiguration? Mmds { get; init; }

    /// <summary>Whether the guest gets the device that tells how long its boot took (--boot-timer).</summary>
    public bool BootTimer { get; init; }
}

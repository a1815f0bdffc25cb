namespace RunnerVm.Vmm.Monitor.Configuration;

/// <summary>/machine-config</summary>
internal sealed record MachineConfiguration
{
    public const int MostVcpus = 32;

    /// <summary>The first MiB is the BIOS's and ours; a kernel begins at the second.</summary>
    public const long LeastMemoryMib = 2;

    /// <summary>1 TiB: more would not fit below the addresses the smallest processors have.</summary>
    public const long MostMemoryMib = 1 << 20;

    /// <summary>1 to 32.</summary>
    public int VcpuCount { get; init; } = 1;

    public long MemSizeMib { get; init; } = 128;

    /// <summary>Two threads a core in the topology the guest sees.</summary>
    public bool Smt { get; init; }

    public bool TrackDirtyPages { get; init; }

    public HugePages HugePages { get; init; }
}

/// <summary>"None" or "2M" on the wire.</summary>
internal enum HugePages
{
    None,
    TwoMib,
}

/// <summary>PATCH /machine-config, and PUT, which says all of it. What is null stays as it is.</summary>
internal sealed record MachineUpdate
{
    public int? VcpuCount { get; init; }

    public long? MemSizeMib { get; init; }

    public bool? Smt { get; init; }

    public bool? TrackDirtyPages { get; init; }

    public HugePages? HugePages { get; init; }
}

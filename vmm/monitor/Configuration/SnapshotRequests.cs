namespace RunnerVm.Vmm.Monitor.Configuration;

/// <summary>PUT /snapshot/create</summary>
internal sealed record SnapshotRequest
{
    public SnapshotType SnapshotType { get; init; }

    /// <summary>Where the machine's state goes.</summary>
    public required string SnapshotPath { get; init; }

    /// <summary>Where the guest's memory goes: as many bytes as it has.</summary>
    public required string MemFilePath { get; init; }
}

internal enum SnapshotType
{
    /// <summary>All of memory.</summary>
    Full,

    /// <summary>The pages written since the last snapshot, or since the start; with the one before it is the whole.</summary>
    Diff,
}

/// <summary>PUT /snapshot/load</summary>
internal sealed record SnapshotLoad
{
    public required string SnapshotPath { get; init; }

    /// <summary>The guest's memory, mapped privately; it must not change while the machine lives.</summary>
    public required string MemFilePath { get; init; }

    public bool TrackDirtyPages { get; init; }

    public bool ResumeVm { get; init; }

    /// <summary>The guest's kvm-clock goes on by the time that has passed since the snapshot.</summary>
    public bool ClockRealtime { get; init; }

    /// <summary>Null: as the snapshot says.</summary>
    public HugePages? HugePages { get; init; }

    /// <summary>Other TAP devices, by interface.</summary>
    public IReadOnlyList<(string IfaceId, string HostDevName)> NetworkOverrides { get; init; } = [];

    /// <summary>Other files, by drive. Firecracker has no such thing.</summary>
    public IReadOnlyList<(string DriveId, string PathOnHost)> DriveOverrides { get; init; } = [];

    /// <summary>Another path for the vsock socket.</summary>
    public string? VsockUdsPath { get; init; }
}

namespace RunnerVm.Leases.Warm;

/// <summary>The bounds of a pool.</summary>
internal sealed record WarmPoolOptions
{
    /// <summary>Machines of a kind nobody has asked for in so long are thrown away, until somebody asks again.</summary>
    public TimeSpan Unused { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>
    /// What those that wait may come to need, all together: each counts with the whole of its memory, though a machine that waits has
    /// touched little of it, because jobs will.
    /// </summary>
    public required long MostBytes { get; init; }

    /// <summary>Memory of the host that is free now, in bytes. A machine is added only where it leaves <see cref="SpareBytes"/>.</summary>
    public required Func<long> AvailableBytes { get; init; }

    public long SpareBytes { get; init; } = 512L << 20;

    /// <summary>Between a restore that failed and the next try; doubled each time, up to a minute.</summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromSeconds(1);
}

/// <summary>One kind of machine a pool keeps.</summary>
/// <param name="Key">Of the snapshot its machines are restored from.</param>
/// <param name="Name">For people.</param>
/// <param name="Wanted">So many wait.</param>
internal sealed record WarmKind(Snapshots.SnapshotKey Key, Snapshots.MachineKind Kind, string Name, int Wanted)
{
    public long MemoryBytes => (long)Kind.MemoryMib << 20;
}

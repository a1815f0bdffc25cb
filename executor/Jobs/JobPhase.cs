namespace RunnerVm.Jobs;

/// <summary>
/// Where a job is in its life. Moves only forward, only in <see cref="JobRun"/>:
/// <c>Queued → Claimed → Preparing → Booting → Running → Collecting → Destroying → Done</c>.
/// A failure jumps to <see cref="Destroying"/>.
/// </summary>
internal enum JobPhase
{
    /// <summary>Known, nothing reserved.</summary>
    Queued,

    /// <summary>A lease is held: an entry in the ledger and a run directory.</summary>
    Claimed,

    /// <summary>Image, kernel, initramfs and scratch disk are made ready.</summary>
    Preparing,

    /// <summary>The engine runs; waiting for the agent's hello and thaw.</summary>
    Booting,

    /// <summary>Workspace goes in, steps run.</summary>
    Running,

    /// <summary>Artifacts come out.</summary>
    Collecting,

    /// <summary>Process, disk, sockets, run directory go.</summary>
    Destroying,

    Done,
}

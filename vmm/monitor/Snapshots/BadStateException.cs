namespace RunnerVm.Vmm.Monitor.Snapshots;

/// <summary>A state file that is not what we write, or not for this host. The message completes "snapshot_path: FILE ...".</summary>
internal sealed class BadStateException(string problem) : Exception(problem)
{
    public static BadStateException Damaged(string what) =>
        new($"is damaged: {what}. Take the snapshot again.");
}

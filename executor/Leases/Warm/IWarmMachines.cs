using RunnerVm.Machines;
using RunnerVm.Snapshots;

namespace RunnerVm.Leases.Warm;

/// <summary>Machines that wait for a job: this process's own, or those of a pool beside it.</summary>
internal interface IWarmMachines
{
    /// <summary>
    /// One of the kind, the caller's to dispose. Nobody has thawed it, so it is nobody yet: whoever takes it thaws it before the
    /// first byte of a job. Null where none waits; that is no failure, and asking has woken a pool that had let go of the kind.
    /// </summary>
    Task<Machine?> TakeAsync(SnapshotKey key, CancellationToken cancellationToken);
}

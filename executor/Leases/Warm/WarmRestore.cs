using RunnerVm.Machines;
using RunnerVm.Snapshots;

namespace RunnerVm.Leases.Warm;

/// <summary>Makes machines for a pool: from the snapshot of their kind, which is made first where it is not there, or no more.</summary>
/// <param name="snapshot">See <see cref="SnapshotMaker.MakeAsync"/>.</param>
internal sealed class WarmRestore(WarmStart start, Func<MachineKind, CancellationToken, Task<Snapshot>> snapshot)
{
    public async Task<Machine> RestoreAsync(WarmKind kind, CancellationToken cancellationToken)
    {
        var id = $"warm-{Guid.NewGuid().ToString("n")[..8]}";
        return await start.RestoreAsync(id, await snapshot(kind.Kind, cancellationToken), kind.Kind, cancellationToken);
    }
}

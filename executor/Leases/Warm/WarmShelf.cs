using System.Globalization;
using RunnerVm.Machines;
using RunnerVm.Snapshots;

namespace RunnerVm.Leases.Warm;

/// <summary>Waiting machines as a job meets them: one of its kind, or a word why it starts as usual.</summary>
/// <param name="tellsOfNone">Whether a job is told that none waits for it: somebody asked for one by name.</param>
internal sealed class WarmShelf(IWarmMachines machines, ISnapshottingEngine engine, bool tellsOfNone, TimeProvider time)
{
    /// <returns>The machine, not thawed yet, or null; and a line for the job's log, where there is one.</returns>
    public async Task<(Machine? Machine, string? Said)> TakeAsync(MachineKind kind, CancellationToken cancellationToken)
    {
        var key = await SnapshotKey.ForAsync(engine, kind, cancellationToken);
        var started = time.GetTimestamp();
        var machine = await machines.TakeAsync(key, cancellationToken);
        return (machine, machine is null
            ? tellsOfNone ? "No machine of this kind waits in a pool; this one starts as usual." : null
            : string.Create(CultureInfo.InvariantCulture, $"A machine that waited was taken in {time.GetElapsedTime(started).TotalMilliseconds:0.0} ms."));
    }
}

using System.Globalization;
using RunnerVm.Machines;
using RunnerVm.Snapshots;

namespace RunnerVm.Leases.Warm;

/// <summary>Waiting machines as a job meets them: one of its kind, or a word why it starts as usual.</summary>
internal sealed class WarmShelf(IWarmMachines machines, ISnapshottingEngine engine, TimeProvider time)
{
    /// <returns>The machine, not thawed yet, or null; and a line for the job's log.</returns>
    public async Task<(Machine? Machine, string Said)> TakeAsync(MachineKind kind, CancellationToken cancellationToken)
    {
        var key = await SnapshotKey.ForAsync(engine, kind, cancellationToken);
        var started = time.GetTimestamp();
        var machine = await machines.TakeAsync(key, cancellationToken);
        return (machine, machine is null
            ? "No machine of this kind waits in a pool; this one starts as usual."
            : string.Create(CultureInfo.InvariantCulture, $"A machine that waited was taken in {time.GetElapsedTime(started).TotalMilliseconds:0.0} ms."));
    }
}

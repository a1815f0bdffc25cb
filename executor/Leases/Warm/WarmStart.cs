using RunnerVm.Jobs;
using RunnerVm.Machines;
using RunnerVm.Snapshots;

namespace RunnerVm.Leases.Warm;

/// <summary>Restores machines that are no job's yet, each with a place in the ledger.</summary>
internal sealed class WarmStart(RunLedger ledger, ISnapshottingEngine engine)
{
    /// <param name="id">Names the machine in the ledger and in the list of processes.</param>
    /// <exception cref="MachineException">See <see cref="ISnapshottingEngine.RestoreAsync"/>.</exception>
    /// <exception cref="IOException">The copy of the scratch disk could not be made.</exception>
    public async Task<WarmMachine> RestoreAsync(string id, Snapshot snapshot, MachineKind kind, CancellationToken cancellationToken)
    {
        var lease = ledger.Take(id);
        try
        {
            var spec = kind.ToSpec(id, lease.Directory, Path.Combine(lease.Directory, "scratch"));
            var machine = await snapshot.RestoreAsync(engine, spec, cancellationToken);
            lease.Record(JobPhase.Booting, machine.ProcessId);
            return new(machine, lease);
        }
        catch
        {
            await lease.DisposeAsync();
            throw;
        }
    }
}

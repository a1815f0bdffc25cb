using RunnerVm.Machines;

namespace RunnerVm.Leases.Warm;

/// <summary>
/// A machine that was restored before anybody asked for it: its guest waits for a host's hello and has not been thawed, so
/// it is nobody yet. It has a place in the ledger of its own, which goes with it.
/// </summary>
internal sealed class WarmMachine(Machine machine, Lease lease) : Machine
{
    public override Stream GuestStream => machine.GuestStream;

    public override int ProcessId => machine.ProcessId;

    public override Task<MachineExit> Exited => machine.Exited;

    public override string ConsoleTail => machine.ConsoleTail;

    public override void BeginEnd() => machine.BeginEnd();

    public override async ValueTask DisposeAsync()
    {
        await machine.DisposeAsync();
        await lease.DisposeAsync();
    }
}

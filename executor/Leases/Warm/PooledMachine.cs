using RunnerVm.Machines;

namespace RunnerVm.Leases.Warm;

/// <summary>A machine that a pool in another process made and still holds; the connection to there is ours, and it ends with it.</summary>
/// <param name="stream">Owned.</param>
/// <param name="gone">Never faults.</param>
internal sealed class PooledMachine(Stream stream, int processId, Task<PoolExit> gone, TimeProvider time) : Machine
{
    /// <summary>The pool kills it as soon as it sees that we have hung up.</summary>
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(10);

    public override Stream GuestStream => stream;

    public override int ProcessId => processId;

    public override Task<MachineExit> Exited { get; } = ExitAsync(gone);

    public override string ConsoleTail => gone.IsCompletedSuccessfully ? gone.Result.Console : "";

    public override async ValueTask DisposeAsync()
    {
        await stream.DisposeAsync();
        await ((Task)gone).WaitAsync(EndLimit, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private static async Task<MachineExit> ExitAsync(Task<PoolExit> gone)
    {
        var exit = await gone;
        return new(exit.ExitCode, exit.StandardError);
    }
}

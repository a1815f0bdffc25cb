namespace RunnerVm.Machines;

/// <summary>A machine that is one process of its engine. Owns the process and the stream.</summary>
internal sealed class EngineMachine(EngineProcess process, Stream guestStream) : Machine
{
    public override Stream GuestStream => guestStream;

    public override int ProcessId => process.ProcessId;

    public override Task<MachineExit> Exited => process.Exited;

    public override string ConsoleTail => process.OutputTail;

    public override void BeginEnd() => process.Kill();

    public override async ValueTask DisposeAsync()
    {
        await process.DisposeAsync();
        await guestStream.DisposeAsync();
    }
}

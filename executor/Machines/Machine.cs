namespace RunnerVm.Machines;

/// <summary>
/// A running machine: one process of the engine, one duplex stream to the agent in it. Disposing ends the process
/// (SIGKILL, waited for) and closes the stream; it never throws and may be called twice.
/// </summary>
internal abstract class Machine : IAsyncDisposable
{
    /// <summary>Bytes to and from the guest agent. Hostile: whoever reads bounds what it reads.</summary>
    public abstract Stream GuestStream { get; }

    /// <summary>The engine's process id, for the ledger.</summary>
    public abstract int ProcessId { get; }

    /// <summary>Ends when the engine's process has ended, whatever the reason; never faults.</summary>
    public abstract Task<MachineExit> Exited { get; }

    /// <summary>The last of the guest's serial console, at most 16 KiB, for a machine that died. Untrusted text.</summary>
    public abstract string ConsoleTail { get; }

    /// <summary>
    /// Begins what <see cref="DisposeAsync"/> waits for, where an engine can: its process takes some milliseconds to give its memory back.
    /// Nothing runs in the guest any more. Never throws.
    /// </summary>
    public virtual void BeginEnd()
    {
    }

    public abstract ValueTask DisposeAsync();
}

/// <param name="ExitCode">Status of the engine's process, 128 + signal when killed.</param>
/// <param name="StandardError">What the engine had to say, at most 16 KiB.</param>
/// <param name="Bound">A sentence when it was one of our own bounds that ended it, and what to do.</param>
internal sealed record MachineExit(int ExitCode, string StandardError, string? Bound = null)
{
    /// <summary>The exit code for people: the signal's name where it was one.</summary>
    public string Status => SignalName.WithStatus(ExitCode);
}

using RunnerVm.Jobs;

namespace RunnerVm.Logs;

/// <summary>
/// All that is ever said about a job while it runs, in order. Closed. Output has been masked before it becomes an
/// event, so every sink may write what it gets.
/// </summary>
internal abstract record JobEvent(DateTimeOffset Time)
{
    /// <summary>The job entered a phase; <paramref name="Previous"/> took <paramref name="Elapsed"/>.</summary>
    internal sealed record PhaseEntered(DateTimeOffset Time, JobPhase Phase, JobPhase Previous, TimeSpan Elapsed) : JobEvent(Time);

    /// <summary>The runner has something to say: a fallback, a cache being built.</summary>
    internal sealed record Notice(DateTimeOffset Time, string Text) : JobEvent(Time);

    /// <summary>A long part of making an image or kernel ready; <paramref name="Fraction"/> is 0 to 1, null while unknown.</summary>
    internal sealed record Preparation(DateTimeOffset Time, string What, double? Fraction, string Text) : JobEvent(Time);

    /// <summary>The agent answered and the machine is itself.</summary>
    /// <param name="Restored">From a snapshot; it booted otherwise.</param>
    /// <param name="GuestBoot">From the agent's first instruction to its hello, by the guest's clock.</param>
    /// <param name="GuestThaw">Clock, disks, network, by the guest's clock.</param>
    internal sealed record MachineReady(DateTimeOffset Time, string Engine, string Kernel, bool Restored, TimeSpan GuestBoot, TimeSpan GuestThaw) : JobEvent(Time);

    internal sealed record StepStarted(DateTimeOffset Time, int Index, string Name) : JobEvent(Time);

    /// <summary>Masked bytes of a step, in the order the guest wrote them. Valid only during the call: a sink copies what it keeps.</summary>
    internal sealed record Output(DateTimeOffset Time, int Index, OutputStream Stream, ReadOnlyMemory<byte> Bytes) : JobEvent(Time);

    internal sealed record StepFinished(
        DateTimeOffset Time, int Index, string Name, int ExitCode, TimeSpan Elapsed, string? Diagnosis) : JobEvent(Time);

    internal sealed record StepSkipped(DateTimeOffset Time, int Index, string Name) : JobEvent(Time);

    /// <summary>Bytes moved into or out of the guest; <paramref name="TotalBytes"/> is null when unknown.</summary>
    internal sealed record Transfer(DateTimeOffset Time, string What, long Bytes, long? TotalBytes, bool Finished) : JobEvent(Time);

    /// <summary>Artifacts are in a folder of the host.</summary>
    internal sealed record ArtifactsStored(DateTimeOffset Time, string Folder, int Entries, long Bytes) : JobEvent(Time);

    internal sealed record JobFinished(DateTimeOffset Time, JobOutcome Outcome, int ExitCode) : JobEvent(Time);
}

internal enum OutputStream
{
    StandardOutput,
    StandardError,
}

/// <summary>Where a job's events go: a terminal, JSON lines, later a forge. Called in order, never twice at once.</summary>
internal interface IJobSink
{
    /// <summary>Returns when the event is taken; a slow sink slows the guest's writer, by design.</summary>
    ValueTask WriteAsync(JobEvent jobEvent, CancellationToken cancellationToken);
}

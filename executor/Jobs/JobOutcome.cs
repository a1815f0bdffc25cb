namespace RunnerVm.Jobs;

/// <summary>How a job ended. The user's failure and ours are different types and never mix.</summary>
internal abstract record JobOutcome
{
    private JobOutcome()
    {
    }

    /// <summary>Every step that had to succeed did.</summary>
    internal sealed record Succeeded : JobOutcome;

    /// <summary>A step ended with a non-zero status.</summary>
    /// <param name="Step">Its name.</param>
    /// <param name="ExitCode">Its status, 128 + signal when a signal ended it.</param>
    /// <param name="Diagnosis">One sentence when the machine knows more: out of memory, disk full.</param>
    internal sealed record StepFailed(string Step, int ExitCode, string? Diagnosis) : JobOutcome;

    /// <summary>The job's or a step's time was over.</summary>
    internal sealed record TimedOut(string What, TimeSpan Limit) : JobOutcome;

    /// <summary>Somebody asked it to stop.</summary>
    internal sealed record Cancelled : JobOutcome;

    /// <summary>It was not the job's fault.</summary>
    internal sealed record RunnerFailed(FailureReason Reason, string Message) : JobOutcome;
}

/// <summary>Why we failed a job that may have been innocent. Closed: each forge translates every value.</summary>
internal enum FailureReason
{
    /// <summary>The image or kernel could not be made ready.</summary>
    ImageUnavailable,

    /// <summary>No engine on this host gives the asked isolation.</summary>
    EngineUnavailable,

    /// <summary>The engine did not start, or its agent did not answer in time.</summary>
    MachineNotStarted,

    /// <summary>The machine went away in the middle.</summary>
    MachineLost,

    /// <summary>The guest broke the stream's rules.</summary>
    GuestMisbehaved,

    /// <summary>The host ran out of something: disk, memory, files.</summary>
    HostExhausted,

    /// <summary>Workspace or artifacts could not be moved.</summary>
    TransferFailed,
}

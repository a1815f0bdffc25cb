namespace RunnerVm.Sources;

/// <summary>How one job of a forge's ended, for figures and for people who ask later.</summary>
/// <param name="JobId">On this host.</param>
/// <param name="Forge">The runner entry it came through.</param>
/// <param name="Name">As the forge shows it; from strangers, one line.</param>
/// <param name="Sentence">Why, in one sentence.</param>
internal sealed record EndedJob(string JobId, string Forge, string Name, JobResult Result, string Sentence)
{
    public static string Word(JobResult result) => result switch
    {
        JobResult.Succeeded => "succeeded",
        JobResult.Failed => "failed",
        JobResult.TimedOut => "timed_out",
        JobResult.Cancelled => "cancelled",
        _ => "runner_failed",
    };
}

/// <summary>Closed; words of figures.</summary>
internal enum JobResult
{
    Succeeded,

    /// <summary>By what the job itself did.</summary>
    Failed,

    /// <summary>Its time was over.</summary>
    TimedOut,

    /// <summary>Somebody ended it.</summary>
    Cancelled,

    /// <summary>Its machine or its runner went away, or never came.</summary>
    RunnerFailed,
}

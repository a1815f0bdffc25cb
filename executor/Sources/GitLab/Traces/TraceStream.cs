namespace RunnerVm.Sources.GitLab.Traces;

/// <summary>Who speaks in a job's log; the number and letter stand behind the time of each line.</summary>
internal enum TraceStream
{
    /// <summary>The runner itself, <c>00O</c>.</summary>
    Runner,

    /// <summary>Standard output of the job, <c>01O</c>.</summary>
    JobOutput,

    /// <summary>Standard error of the job, <c>01E</c>.</summary>
    JobError,
}

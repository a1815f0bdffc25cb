namespace RunnerVm.Jobs;

/// <summary>What <c>runnervm exec</c> ends with after each outcome.</summary>
internal static class JobExit
{
    public static int Code(JobOutcome outcome) => outcome switch
    {
        JobOutcome.Succeeded => ExitCodes.Ok,
        JobOutcome.StepFailed failed => failed.ExitCode,
        JobOutcome.TimedOut => ExitCodes.TimedOut,
        JobOutcome.Cancelled => ExitCodes.Cancelled,
        _ => ExitCodes.RunnerFailed,
    };
}

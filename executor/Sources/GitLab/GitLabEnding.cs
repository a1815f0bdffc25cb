using RunnerVm.Sources.GitLab.Traces;
using RunnerVm.Sources.GitLab.Wire;

namespace RunnerVm.Sources.GitLab;

/// <summary>A job's end in GitLab's words: for its server, for the last line of its log, for the agent's own.</summary>
internal static class GitLabEnding
{
    /// <summary>What a job left behind by a killed agent ends with.</summary>
    public static GitLabOutcome.Failed AgentKilled { get; } =
        new(GitLabFailureReason.RunnerSystemFailure, "the runner's agent was killed in the middle of this job, and its machine with it");

    public static FinalState Of(GitLabOutcome outcome, GitLabStopReason stop, IReadOnlyList<string> knownReasons)
    {
        // A script that ends well after it was told to stop has not done what the job was for.
        if (stop == GitLabStopReason.Canceled) return Failed(GitLabFailureReason.UnknownFailure, knownReasons);
        return outcome switch
        {
            GitLabOutcome.Succeeded => new("success"),
            GitLabOutcome.Failed failed => Failed(failed.Reason, knownReasons) with { ExitCode = failed.ExitCode },
            GitLabOutcome.Cancelled when stop == GitLabStopReason.Interrupted => Failed(GitLabFailureReason.RunnerInterrupted, knownReasons),
            GitLabOutcome.Cancelled => Failed(GitLabFailureReason.UnknownFailure, knownReasons),
            _ => Failed(GitLabFailureReason.RunnerSystemFailure, knownReasons),
        };
    }

    public static ValueTask WriteAsync(JobTrace trace, GitLabOutcome outcome, GitLabStopReason stop) => (outcome, stop) switch
    {
        (_, GitLabStopReason.Canceled) => trace.ErrorAsync("Job failed: canceled"),
        (GitLabOutcome.Succeeded, _) => trace.SayAsync("\e[32;1mJob succeeded\e[0;m"),
        (GitLabOutcome.Failed { Reason: GitLabFailureReason.RunnerSystemFailure } failed, _) => trace.ErrorAsync($"Job failed (system failure): {failed.Message}"),
        (GitLabOutcome.Failed failed, _) => trace.ErrorAsync($"Job failed: {failed.Message}"),
        (GitLabOutcome.NotStarted notStarted, _) => trace.ErrorAsync($"Job failed (system failure): {notStarted.Message}"),
        (_, GitLabStopReason.Interrupted) => trace.ErrorAsync("Job failed (system failure): the runner was told to stop and did not wait for this job"),
        _ => trace.ErrorAsync("Job failed: canceled"),
    };

    public static JobResult Result(GitLabOutcome outcome, GitLabStopReason stop) => (outcome, stop) switch
    {
        (_, GitLabStopReason.Canceled) => JobResult.Cancelled,
        (GitLabOutcome.Succeeded, _) => JobResult.Succeeded,
        (GitLabOutcome.Failed { Reason: GitLabFailureReason.JobExecutionTimeout }, _) => JobResult.TimedOut,
        (GitLabOutcome.Failed { Reason: GitLabFailureReason.ScriptFailure or GitLabFailureReason.RunnerConfigurationError or GitLabFailureReason.RunnerExternalDependencyFailure }, _) => JobResult.Failed,
        (GitLabOutcome.Cancelled, _) => JobResult.Cancelled,
        _ => JobResult.RunnerFailed,
    };

    public static string Describe(GitLabOutcome outcome, GitLabStopReason stop) => (outcome, stop) switch
    {
        (_, GitLabStopReason.Canceled) => "canceled",
        (GitLabOutcome.Succeeded, _) => "success",
        (GitLabOutcome.Failed failed, _) => $"{GitLabFailureReasons.Name(failed.Reason)}: {failed.Message}",
        (GitLabOutcome.NotStarted notStarted, _) => $"not started: {notStarted.Message}",
        _ => stop == GitLabStopReason.Interrupted ? "interrupted" : "canceled",
    };

    private static FinalState Failed(GitLabFailureReason reason, IReadOnlyList<string> knownReasons) =>
        new("failed", GitLabFailureReasons.Known(reason, knownReasons));
}

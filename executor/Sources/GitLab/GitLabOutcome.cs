namespace RunnerVm.Sources.GitLab;

/// <summary>How a GitLab job ended. Messages are what follows "ERROR: Job failed: " in the job's log.</summary>
internal abstract record GitLabOutcome
{
    private GitLabOutcome()
    {
    }

    internal sealed record Succeeded : GitLabOutcome;

    /// <param name="ExitCode">Of the user's script; null when no script decided it.</param>
    internal sealed record Failed(GitLabFailureReason Reason, string Message, int? ExitCode = null) : GitLabOutcome;

    /// <summary>The machine never answered, so nothing of the job ran: it goes back to the queue where the server can take it back.</summary>
    internal sealed record NotStarted(string Message) : GitLabOutcome;

    /// <summary>It was stopped; <see cref="GitLabStop.Reason"/> says why.</summary>
    internal sealed record Cancelled : GitLabOutcome;
}

/// <summary>Why a job failed, in GitLab's words; <c>retry:when</c> in a pipeline compares them. Closed.</summary>
internal enum GitLabFailureReason
{
    ScriptFailure,
    RunnerSystemFailure,
    JobExecutionTimeout,
    ImagePullFailure,
    RunnerConfigurationError,
    RunnerExternalDependencyFailure,
    RunnerInterrupted,
    UnknownFailure,
}

internal static class GitLabFailureReasons
{
    public static string Name(GitLabFailureReason reason) => reason switch
    {
        GitLabFailureReason.ScriptFailure => "script_failure",
        GitLabFailureReason.RunnerSystemFailure => "runner_system_failure",
        GitLabFailureReason.JobExecutionTimeout => "job_execution_timeout",
        GitLabFailureReason.ImagePullFailure => "image_pull_failure",
        GitLabFailureReason.RunnerConfigurationError => "runner_configuration_error",
        GitLabFailureReason.RunnerExternalDependencyFailure => "runner_external_dependency_failure",
        GitLabFailureReason.RunnerInterrupted => "runner_interrupted",
        _ => "unknown_failure",
    };

    /// <summary>The nearest reason the server knows: three are always known, the rest only where it says so.</summary>
    public static string Known(GitLabFailureReason reason, IReadOnlyList<string> knownToServer)
    {
        // unknown_failure ends every chain: a server takes any word it does not know for that one.
        for (var next = reason; next != GitLabFailureReason.UnknownFailure; next = Fallback(next))
            if (IsAlwaysKnown(next) || knownToServer.Contains(Name(next))) return Name(next);
        return Name(GitLabFailureReason.UnknownFailure);
    }

    private static GitLabFailureReason Fallback(GitLabFailureReason reason) => reason switch
    {
        GitLabFailureReason.ImagePullFailure or GitLabFailureReason.RunnerExternalDependencyFailure => GitLabFailureReason.RunnerSystemFailure,
        GitLabFailureReason.RunnerConfigurationError => GitLabFailureReason.ScriptFailure,
        _ => GitLabFailureReason.UnknownFailure,
    };

    private static bool IsAlwaysKnown(GitLabFailureReason reason) =>
        reason is GitLabFailureReason.ScriptFailure or GitLabFailureReason.RunnerSystemFailure or GitLabFailureReason.JobExecutionTimeout;
}

namespace RunnerVm.Sources.GitLab;

/// <summary>The whole life of one GitLab job on this host.</summary>
internal sealed class GitLabJobRun(GitLabAssignment job)
{
    /// <summary>Runs it to its end. Does not throw for anything the job, the guest or the host does.</summary>
    public Task<GitLabOutcome> RunAsync() =>
        Task.FromResult<GitLabOutcome>(new GitLabOutcome.Failed(GitLabFailureReason.RunnerSystemFailure, $"job {job.JobId} has nothing to run it yet"));
}

using RunnerVm.Guests;
using RunnerVm.Jobs;
using RunnerVm.Logs;
using RunnerVm.Sources.GitLab.Stages;
using RunnerVm.Sources.GitLab.Traces;

namespace RunnerVm.Sources.GitLab;

/// <summary>The whole life of one GitLab job on this host.</summary>
internal sealed class GitLabJobRun(GitLabAssignment assignment)
{
    /// <summary>Runs it to its end. Does not throw for anything the job, the guest or the host does.</summary>
    public async Task<GitLabOutcome> RunAsync()
    {
        try
        {
            var access = await ServerAccess.FindAsync(assignment.Payload.GitInfo.RepoUrl, assignment.Stop.Aborted);
            var plan = JobPlan.For(assignment, access.OnLoopback);
            assignment.Trace.Hide(plan.Variables.Masked);
            return await RunAsync(plan, JobOf(access));
        }
        catch (JobRefusedException e)
        {
            return new GitLabOutcome.Failed(GitLabFailureReason.RunnerConfigurationError, e.Message);
        }
        catch (OperationCanceledException)
        {
            return new GitLabOutcome.Cancelled();
        }
    }

    private async Task<GitLabOutcome> RunAsync(JobPlan plan, Job job)
    {
        using var stop = new StopRequest(assignment.Host.Time, StepSequence.Grace);
        await using var aborting = assignment.Stop.Aborted.Register(stop.Ask);
        await using var log = new JobLog(new TraceSink(assignment.Trace), new SecretMasker([]), assignment.Host.Time);
        var preparing = new Once(await assignment.Trace.OpenSectionAsync(StageNames.PrepareExecutor, StageNames.Title(StageNames.PrepareExecutor)));
        var work = new GitLabWork(assignment, plan, job, log, stop, preparing);
        // Before the machine has answered there is no script whose end could be waited for.
        await using var cancelling = assignment.Stop.Canceling.Register(() =>
        {
            if (!work.IsStarted) stop.Ask();
        });
        var outcome = await new JobRun(job, work, assignment.Host, log, stop).RunAsync();
        await preparing.DisposeAsync();
        return Translate(outcome, work.IsStarted);
    }

    private Job JobOf(ServerAccess access) => new()
    {
        Id = assignment.JobId,
        Name = assignment.Payload.JobInfo.Name,
        Image = assignment.Machine.Image,
        Machine = assignment.Machine.Request,
        Network = access.AddTo(assignment.Machine.Network),
        Timeout = assignment.Payload.RunnerInfo.Timeout,
        Steps = [],
    };

    internal static GitLabOutcome Translate(JobOutcome outcome, bool started) => outcome switch
    {
        JobOutcome.Succeeded => new GitLabOutcome.Succeeded(),
        JobOutcome.Cancelled => new GitLabOutcome.Cancelled(),
        JobOutcome.TimedOut timedOut => new GitLabOutcome.Failed(
            GitLabFailureReason.JobExecutionTimeout, $"execution took longer than {timedOut.Limit.TotalSeconds:0} seconds{(timedOut.What == "The job" ? "" : $" ({timedOut.What})")}"),
        JobOutcome.StepFailed failed => StepFailed(failed),
        JobOutcome.RunnerFailed { Reason: FailureReason.ImageUnavailable } failed => new GitLabOutcome.Failed(GitLabFailureReason.ImagePullFailure, failed.Message),
        JobOutcome.RunnerFailed failed when !started => new GitLabOutcome.NotStarted(failed.Message),
        JobOutcome.RunnerFailed failed => new GitLabOutcome.Failed(GitLabFailureReason.RunnerSystemFailure, failed.Message),
        _ => new GitLabOutcome.Failed(GitLabFailureReason.UnknownFailure, $"{outcome}"),
    };

    /// <summary>What a server or a registry did is not the script's failure; <c>retry:when</c> tells them apart.</summary>
    private static GitLabOutcome.Failed StepFailed(JobOutcome.StepFailed failed) => failed.Step switch
    {
        StageNames.GetSources => new(GitLabFailureReason.RunnerExternalDependencyFailure, Because($"the sources could not be got (git's exit code {failed.ExitCode})", failed.Diagnosis)),
        StageNames.DownloadArtifacts or StageNames.UploadArtifactsOnSuccess or StageNames.UploadArtifactsOnFailure =>
            new(GitLabFailureReason.RunnerExternalDependencyFailure, failed.Diagnosis ?? "artifacts could not be moved"),
        _ => new(GitLabFailureReason.ScriptFailure, Because($"exit code {failed.ExitCode}", failed.Diagnosis), failed.ExitCode),
    };

    private static string Because(string what, string? why) => why is null ? what : $"{what}. {why}";

    /// <summary>A section that ends where the machine answers, or where it is clear that none will.</summary>
    private sealed class Once(IAsyncDisposable section) : IAsyncDisposable
    {
        private int _ended;

        public ValueTask DisposeAsync() => Interlocked.Exchange(ref _ended, 1) == 0 ? section.DisposeAsync() : ValueTask.CompletedTask;
    }
}

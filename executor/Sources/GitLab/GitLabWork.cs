using RunnerVm.Guests;
using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Logs;
using RunnerVm.Sources.GitLab.Caches;
using RunnerVm.Sources.GitLab.Payload;
using RunnerVm.Sources.GitLab.Scripts;
using RunnerVm.Sources.GitLab.Stages;

namespace RunnerVm.Sources.GitLab;

/// <summary>
/// A GitLab job in its machine: sources, cache and artifacts in, scripts, cache and artifacts out, in GitLab's order and
/// with its rules for what runs after what.
/// </summary>
/// <param name="stop">Ends everything. GitLab's own wish to cancel ends only the script, once it runs.</param>
internal sealed class GitLabWork(GitLabAssignment assignment, JobPlan plan, Job job, JobLog log, StopRequest stop, IAsyncDisposable preparing) : IJobWork
{
    private readonly JobResponse _payload = assignment.Payload;
    private readonly TimeProvider _time = assignment.Host.Time;

    private StageRunner? _stages;
    private bool _dead;

    /// <summary>The machine has answered and GitLab has been told that the job runs.</summary>
    public bool IsStarted { get; private set; }

    public async Task<JobOutcome> RunAsync(GuestSession guest, Lease lease)
    {
        if (!await assignment.MachineReadyAsync()) return new JobOutcome.Cancelled();
        IsStarted = true;
        await preparing.DisposeAsync();
        _stages = new(guest, job, assignment.Trace, log, _time);

        JobOutcome? failed;
        // Until the job's own script runs there is nothing to be graceful about.
        await using (assignment.Stop.Canceling.Register(stop.Ask)) failed = await PrepareAsync(_stages, lease.Directory);
        if (failed is not null) return failed;

        var scripts = new UserScripts(assignment, plan, _stages, stop);
        var outcome = await scripts.RunAsync();
        _dead = scripts.LeftNoMachine;
        return _dead || stop.Asked.IsCancellationRequested ? outcome : await scripts.RunAfterScriptAsync(outcome);
    }

    /// <summary>Cache and artifacts leave, also after a failure; only a stop of everything leaves them where they are.</summary>
    public async Task<JobOutcome> CollectAsync(GuestSession guest, JobOutcome outcome, Lease lease)
    {
        if (_stages is null || _dead || stop.Asked.IsCancellationRequested) return outcome;
        var succeeded = outcome is JobOutcome.Succeeded;
        await Caching(_stages).ArchiveAsync(succeeded, stop);
        var refused = await new ArtifactStages(assignment, plan, _stages, job, lease.Directory).UploadAsync(succeeded, stop);
        return succeeded && refused is not null ? refused : outcome;
    }

    private CacheStages Caching(StageRunner stages) => new(
        assignment, plan, stages, new CachedFiles(CacheStore.In(assignment.Host.Data, _time), CacheScope.Of(_payload, assignment.Runner), job.Machine.DiskBytes));

    /// <returns>Null when the scripts can run.</returns>
    private async Task<JobOutcome?> PrepareAsync(StageRunner stages, string folder)
    {
        await using (await stages.OpenAsync(StageNames.PrepareScript))
        {
            await stages.Guest.SendAsync(GuestPaths.Memory, plan.Files(), stop.Asked);
            await assignment.Trace.SayAsync($"Running on {job.Id} via {Environment.MachineName}...");
            foreach (var name in StageScript.Unexported(plan.Variables))
                await assignment.Trace.WarnAsync($"The variable {name} is longer than {StageScript.LongestExported >> 10} KiB, which Linux does not pass to programs. The script sees it as ${name}; programs it starts do not.");
            foreach (var warning in plan.Git.Warnings) await assignment.Trace.WarnAsync(warning);
        }

        return await GetSourcesAsync(stages) ?? await RestoreAsync(stages, folder);
    }

    private async Task<JobOutcome?> RestoreAsync(StageRunner stages, string folder)
    {
        await Caching(stages).RestoreAsync(stop);
        if (stop.Asked.IsCancellationRequested) return new JobOutcome.Cancelled();
        return await new ArtifactStages(assignment, plan, stages, job, folder).DownloadAsync(stop);
    }

    private async Task<JobOutcome?> GetSourcesAsync(StageRunner stages)
    {
        var script = GetSourcesScript.Write(_payload, plan.Variables, plan.Paths, plan.Git, plan.Credentials?.Url ?? "");
        await using var stage = await stages.OpenAsync(StageNames.GetSources);
        using var ownStop = new StopRequest(_time, StepSequence.Grace, stop);
        await using var timer = assignment.GetSourcesTimeout is { } due ? _time.CreateTimer(_ => ownStop.Ask(), null, due, Timeout.InfiniteTimeSpan) : null;
        for (var attempt = 1; ; attempt++)
        {
            var result = await TryGetSourcesAsync(stages, script, ownStop);
            if (stop.Asked.IsCancellationRequested) return new JobOutcome.Cancelled();
            if (ownStop.Asked.IsCancellationRequested) return new JobOutcome.TimedOut("getting the sources", assignment.GetSourcesTimeout!.Value);
            if (result is not { Succeeded: false }) return null;
            if (attempt >= plan.Git.Attempts) return new JobOutcome.StepFailed(StageNames.GetSources, result.ExitCode, result.Diagnosis);
            await assignment.Trace.WarnAsync($"Getting the sources failed with exit code {result.ExitCode}; attempt {attempt + 1} of {plan.Git.Attempts} follows.");
            await stages.RunScriptAsync(new ShellScript().Run("rm", "-rf", plan.Paths.Project).ToString(), stop);
        }
    }

    /// <returns>Null when it could not even be ended in time: then there is no machine to go on with.</returns>
    private async Task<StageResult?> TryGetSourcesAsync(StageRunner stages, string script, StopRequest ownStop)
    {
        try
        {
            return await stages.RunScriptAsync(script, ownStop);
        }
        catch (OperationCanceledException) when (!stop.Abandoned.IsCancellationRequested)
        {
            _dead = true;
            return null;
        }
    }
}

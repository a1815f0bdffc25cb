using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Jobs;
using RunnerVm.Logs;
using RunnerVm.Sources.GitLab.Files;
using RunnerVm.Sources.GitLab.Payload;
using RunnerVm.Sources.GitLab.Wire;

namespace RunnerVm.Sources.GitLab.Stages;

/// <summary>Earlier jobs' archives in, this job's archive and reports out. All speech with GitLab is the host's.</summary>
/// <param name="folder">The run's own, on the host.</param>
internal sealed class ArtifactStages(GitLabAssignment assignment, JobPlan plan, StageRunner stages, Job job, string folder)
{
    private const int MostAttempts = 10;

    /// <returns>Null when all that was wanted is there.</returns>
    public async Task<JobOutcome?> DownloadAsync(StopRequest stop)
    {
        var wanted = assignment.Payload.Dependencies.Where(static d => d.ArtifactsFile is { Filename.Length: > 0 }).ToList();
        if (wanted.Count == 0) return null;
        await using var stage = await stages.OpenAsync(StageNames.DownloadArtifacts);
        var attempts = plan.Variables.Number("ARTIFACT_DOWNLOAD_ATTEMPTS", 1, 1, MostAttempts);
        foreach (var dependency in wanted)
        {
            await assignment.Trace.SayAsync($"Downloading artifacts for {UntrustedText.Line(dependency.Name)} ({dependency.Id})...");
            for (var attempt = 1; ; attempt++)
            {
                if (await TryDownloadAsync(dependency, stop) is not { } failure) break;
                if (stop.Asked.IsCancellationRequested) return new JobOutcome.Cancelled();
                if (attempt >= attempts) return new JobOutcome.StepFailed(StageNames.DownloadArtifacts, 1, failure);
                await assignment.Trace.WarnAsync($"{failure} Attempt {attempt + 1} of {attempts} follows.");
            }
        }

        return null;
    }

    /// <returns>Why an upload failed; null when none did.</returns>
    public async Task<JobOutcome?> UploadAsync(bool succeeded, StopRequest stop)
    {
        var wanted = assignment.Payload.Artifacts.Where(a => (a.Paths.Count > 0 || a.Untracked) && CacheStages.Runs(a.When, succeeded)).ToList();
        if (wanted.Count == 0) return null;
        await using var stage = await stages.OpenAsync(succeeded ? StageNames.UploadArtifactsOnSuccess : StageNames.UploadArtifactsOnFailure);
        JobOutcome? failed = null;
        foreach (var artifacts in wanted)
        {
            if (stop.Asked.IsCancellationRequested) break;
            if (await TryUploadAsync(artifacts, stop) is not { } failure) continue;
            await assignment.Trace.ErrorAsync(failure);
            failed ??= new JobOutcome.StepFailed(succeeded ? StageNames.UploadArtifactsOnSuccess : StageNames.UploadArtifactsOnFailure, 1, failure);
        }

        return failed;
    }

    private async Task<string?> TryDownloadAsync(JobDependency dependency, StopRequest stop)
    {
        var what = $"The artifacts of {UntrustedText.Line(dependency.Name)} ({dependency.Id})";
        try
        {
            var files = await Files().DownloadAsync(dependency.Id, dependency.Token, plan.Paths.Project, stop.Asked);
            await assignment.Trace.SayAsync($"{what} are unpacked: {files} files");
            return null;
        }
        catch (GitLabTransferException e)
        {
            return e.Message;
        }
        catch (Exception e) when (e is BadArchiveException or GuestFailedException)
        {
            return $"{what} cannot be unpacked: {e.Message}.";
        }
    }

    private ArtifactFiles Files() => new(assignment.Server, stages.Guest, folder, job.Machine.DiskBytes);

    private async Task<string?> TryUploadAsync(JobArtifacts artifacts, StopRequest stop)
    {
        var what = artifacts.ArtifactType is { Length: > 0 } and not "archive" ? $"The report {artifacts.ArtifactType}" : "The artifacts";
        try
        {
            var chosen = await plan.ChooseAsync(stages.Guest, artifacts.Paths, artifacts.Exclude, artifacts.Untracked, assignment.Trace, stop);
            if (chosen is null) return null;
            var level = ArchiveLevel.Of(plan.Variables.Find("ARTIFACT_COMPRESSION_LEVEL"));
            var upload = new UploadOrder(ArtifactName.Of(artifacts, plan.Variables), artifacts.ArtifactFormat, artifacts.ArtifactType, artifacts.ExpireIn, level);
            await assignment.Trace.SayAsync($"Uploading {upload.FileName}...");
            var sent = await Files().UploadAsync(upload, chosen, stop.Asked);
            foreach (var pattern in sent.Unmatched.Take(20)) await assignment.Trace.WarnAsync($"{UntrustedText.Line(pattern)}: no matching files.");
            if (sent.Files == 0) await assignment.Trace.ErrorAsync($"{what}: nothing to upload, no file matches.");
            else await assignment.Trace.SayAsync($"{upload.FileName}: {sent.Files} files, {Readable.Size(sent.Bytes)} uploaded");
            return null;
        }
        catch (Exception e) when (e is GitLabTransferException or JobRefusedException)
        {
            return e.Message;
        }
        catch (Exception e) when (e is GuestFailedException or ReportException)
        {
            return $"{what} could not be packed: {e.Message}";
        }
    }
}

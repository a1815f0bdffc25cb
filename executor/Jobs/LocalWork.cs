using RunnerVm.Guests;
using RunnerVm.Leases;
using RunnerVm.Logs;

namespace RunnerVm.Jobs;

/// <summary>A job from a file: its workspace goes in, its steps run, its artifacts come out into a folder.</summary>
internal sealed class LocalWork(Job job, JobHost host, JobLog log, StopRequest stop) : IJobWork
{
    public async Task<JobOutcome> RunAsync(GuestSession guest)
    {
        if (job.Workspace is { } workspace) await new WorkspaceTransfer(guest, log).SendAsync(workspace, StepPlan.Workspace, stop.Asked);
        return await new StepSequence(job, guest, log, host.Time, stop).RunAsync();
    }

    /// <summary>Artifacts come out; that they cannot be packed fails a job that had not failed before.</summary>
    public async Task<JobOutcome> CollectAsync(GuestSession guest, JobOutcome outcome, Lease lease)
    {
        if (job.Artifacts is not { } artifacts || !StepPlan.Runs(artifacts.When, outcome is not JobOutcome.Succeeded)) return outcome;
        // Written down first, so that the next sweep finds what we may leave half-written.
        lease.Record(JobPhase.Collecting, unfinished: ArtifactFolder.Unfinished(host.ArtifactFolder(job)));
        try
        {
            await new ArtifactTransfer(guest, log, host).ReceiveAsync(job, artifacts, StepPlan.Workspace, stop.Asked);
        }
        catch (GuestFailedException e) when (outcome is not JobOutcome.Succeeded)
        {
            await log.NoticeAsync($"The artifacts could not be collected: {e.Message}");
        }

        return outcome;
    }
}

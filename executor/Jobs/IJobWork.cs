using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Leases;

namespace RunnerVm.Jobs;

/// <summary>
/// What is done in a machine once it is there. <see cref="JobRun"/> makes the machine, calls these two in order, judges
/// what they throw and takes the machine away again; where the job came from is only known here.
/// </summary>
internal interface IJobWork
{
    /// <summary>Brings in what the job needs and runs it. Asked to stop, it returns an outcome soon.</summary>
    Task<JobOutcome> RunAsync(GuestSession guest);

    /// <summary>Brings out what the job hands out, whatever came of it.</summary>
    /// <param name="outcome">Of <see cref="RunAsync"/>.</param>
    /// <returns>The job's outcome: what could not be brought out may fail a job that had succeeded.</returns>
    Task<JobOutcome> CollectAsync(GuestSession guest, JobOutcome outcome, Lease lease);

    /// <summary>Serves a channel the guest opened that is not for its network; most work has none to serve.</summary>
    /// <exception cref="ProtocolException">The guest broke a rule: the machine is ended.</exception>
    Task ServeAsync(GuestChannel channel, CancellationToken cancellationToken)
    {
        channel.Reset($"Nothing here serves channels of kind {(int)channel.Kind}.");
        return Task.CompletedTask;
    }
}

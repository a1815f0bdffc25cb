using RunnerVm.Jobs;
using RunnerVm.Logs;
using RunnerVm.Sources.GitHub.Runners;

namespace RunnerVm.Sources.GitHub;

/// <summary>
/// A run's events on their way into its log on this host. The registration begins with the machine's start, so that it is as
/// fresh as can be and costs no time of its own.
/// </summary>
internal sealed class RunnerSink(IJobSink file, FleetRunner runner, RunnerRegistration registration) : IJobSink
{
    public ValueTask WriteAsync(JobEvent jobEvent, CancellationToken cancellationToken)
    {
        if (jobEvent is JobEvent.PhaseEntered { Phase: JobPhase.Booting })
        {
            runner.Enter(RunnerState.Booting);
            registration.Begin();
        }

        return file.WriteAsync(jobEvent, cancellationToken);
    }
}

using RunnerVm.Jobs;
using RunnerVm.Sources.GitHub.Runners;

namespace RunnerVm.Sources.GitHub;

/// <summary>How one runner went, from all that is known of it: its machine, its own words, GitHub's.</summary>
/// <param name="Ending">Null: the machine ended under it, or was never there.</param>
internal sealed record RunnerReport(FleetRunner Runner, JobOutcome Outcome, RunnerEnding? Ending)
{
    /// <summary>Neither job nor person did it: somebody should look, and the next one should not follow at once.</summary>
    public bool IsOurFailure => Ending is RunnerEnding.NotRegistered or RunnerEnding.NeverListened or RunnerEnding.TooOld
        || (Ending is null && Outcome is JobOutcome.RunnerFailed);

    /// <summary>It shows that machines start and runners connect.</summary>
    public bool IsHealthy => Ending is RunnerEnding.HadJob or RunnerEnding.LeftJob or RunnerEnding.NotNeeded;

    /// <summary>One sentence for people.</summary>
    public override string ToString() => Subject + Ending switch
    {
        RunnerEnding.HadJob { Result: { } result } => result.ToLowerInvariant(),
        RunnerEnding.HadJob => "over",
        RunnerEnding.NotNeeded none => $"it had no job: {none.Why}",
        RunnerEnding.NotRegistered refused => $"it could not be registered. {refused.Refusal.Message}",
        RunnerEnding.NeverListened never => $"it never listened for a job: {never.Why}",
        RunnerEnding.TooOld => "GitHub hands no jobs to its version any more. Get the newest: runnervm runner fetch",
        RunnerEnding.LeftJob left => $"it left in the middle of its job: {left.Why}",
        _ => Died,
    };

    private string Subject => Runner.Job is { } job ? $"{job}: " : Runner.JobName is { } name ? $"{name}: " : "";

    private string Died => Outcome switch
    {
        JobOutcome.TimedOut timed => $"its machine was ended after {timed.Limit.TotalHours:0.##} hours, which is the most one may live (lifetime)",
        JobOutcome.Cancelled => "it was stopped here",
        JobOutcome.RunnerFailed failed => failed.Message,
        _ => $"{Outcome}",
    };
}

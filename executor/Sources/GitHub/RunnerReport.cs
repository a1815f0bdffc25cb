using RunnerVm.Egress;
using RunnerVm.Jobs;
using RunnerVm.Sources.GitHub.Runners;

namespace RunnerVm.Sources.GitHub;

/// <summary>How one runner went, from all that is known of it: its machine, its own words, GitHub's.</summary>
/// <param name="Ending">Null: the machine ended under it, or was never there.</param>
/// <param name="Denied">What its job was denied on the network.</param>
internal sealed record RunnerReport(FleetRunner Runner, JobOutcome Outcome, RunnerEnding? Ending, IReadOnlyList<EgressDestination> Denied)
{
    /// <summary>Neither job nor person did it: somebody should look, and the next one should not follow at once.</summary>
    public bool IsOurFailure => Ending is RunnerEnding.NotRegistered or RunnerEnding.NeverListened or RunnerEnding.TooOld
        || (Ending is null && Outcome is JobOutcome.RunnerFailed);

    /// <summary>It shows that machines start and runners connect.</summary>
    public bool IsHealthy => Ending is RunnerEnding.HadJob or RunnerEnding.LeftJob or RunnerEnding.NotNeeded;

    /// <summary>How its job ended; null where it had none.</summary>
    public JobResult? Result => (Ending, Outcome) switch
    {
        _ when !Runner.HadJob => null,
        (RunnerEnding.HadJob had, _) when Said(had.Result) is "succeeded" or "succeededwithissues" => JobResult.Succeeded,
        (_, JobOutcome.TimedOut) => JobResult.TimedOut,
        (RunnerEnding.HadJob had, _) when Said(had.Result) is "canceled" or "abandoned" => JobResult.Cancelled,
        (_, JobOutcome.Cancelled) when !WasOverAtGitHub => JobResult.Cancelled,
        (RunnerEnding.HadJob, _) => JobResult.Failed,
        _ => JobResult.RunnerFailed,
    };

    /// <summary>Why a job ended other than well, where the host knows more than GitHub's page; null: it does not.</summary>
    public string? Death => Result switch
    {
        null or JobResult.Succeeded => null,
        _ when Ending is RunnerEnding.HadJob { Exhaustion: null } && !WasEndedHere && Denied.Count == 0 => null,
        _ => Why,
    };

    /// <summary>One sentence for people.</summary>
    public override string ToString() => Subject + Why;

    private string Subject => Runner.Job is { } job ? $"{job}: " : Runner.JobName is { } name ? $"{name}: " : "";

    private string Why => Result is null or JobResult.Succeeded || Denied.Count == 0
        ? Course
        : $"{Course.TrimEnd('.')}. The network rules denied it {string.Join(", ", Denied.Select(static d => $"{d.Place} ({d.DeniedTimes})"))}.";

    /// <summary>The runner itself cannot tell who asked it to stop.</summary>
    private bool WasEndedHere => Runner.HadJob && Result != JobResult.Succeeded
        && (Outcome is JobOutcome.TimedOut || (Outcome is JobOutcome.Cancelled && !WasOverAtGitHub));

    /// <summary>GitHub said that its job is over, and it was ended because of that.</summary>
    private bool WasOverAtGitHub => Ending is RunnerEnding.HadJob { Result: null } && Runner.Result is not null;

    private string Course => Ending switch
    {
        _ when WasEndedHere => Died,
        RunnerEnding.HadJob { Result: var said, Exhaustion: { } exhaustion } when Result != JobResult.Succeeded => $"{Said(said)}. {exhaustion}",
        RunnerEnding.HadJob { Result: var said } => Said(said),
        RunnerEnding.NotNeeded none => $"it had no job: {none.Why}",
        RunnerEnding.NotRegistered refused => $"it could not be registered. {refused.Refusal.Message}",
        RunnerEnding.NeverListened never => $"it never listened for a job: {never.Why}",
        RunnerEnding.TooOld => "GitHub hands no jobs to its version any more. Get the newest: runnervm runner fetch",
        RunnerEnding.LeftJob left => $"its runner ended in the middle of the job: {left.Why}",
        _ => Died,
    };

    private string Said(string? result) => (result ?? Runner.Result)?.ToLowerInvariant() ?? "over";

    private string Died => Outcome switch
    {
        JobOutcome.TimedOut timed => $"its machine was ended after {timed.Limit.TotalHours:0.##} hours, which is the most one may live (lifetime)",
        JobOutcome.Cancelled => "it was stopped here",
        JobOutcome.RunnerFailed failed => failed.Message,
        _ => $"{Outcome}",
    };
}

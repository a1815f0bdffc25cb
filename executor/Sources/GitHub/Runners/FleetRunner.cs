namespace RunnerVm.Sources.GitHub.Runners;

/// <summary>One runner of a fleet, from the wish for it to its end. Whoever runs its machine moves it forward.</summary>
internal sealed class FleetRunner : IDisposable
{
    private volatile RunnerFleet _fleet;
    private readonly CancellationTokenSource _retired = new();
    private readonly CancellationTokenSource _completed = new();
    private readonly TaskCompletionSource _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal FleetRunner(RunnerFleet fleet, string name) => (_fleet, Name) = (fleet, name);

    /// <summary>Unique in its scope; starts with the fleet's prefix, by which a sweep knows its own.</summary>
    public string Name { get; }

    public RunnerState State { get; private set; }

    /// <summary>It has run, or runs, a job.</summary>
    public bool HadJob { get; private set; }

    /// <summary>Its job, for people: as GitHub says, else as its hook does; null before.</summary>
    public GitHubJobFacts? Job { get; internal set; }

    /// <summary>What GitHub itself said of its job; null before, and where GitHub says nothing. Only this may be acted on: a job can have the hook say anything.</summary>
    public GitHubJobFacts? Confirmed { get; internal set; }

    /// <summary>How GitHub says its job ended: succeeded, failed, canceled; null before.</summary>
    public string? Result { get; internal set; }

    /// <summary>The job as the runner itself names it, which is less than GitHub tells.</summary>
    public string? JobName { get; private set; }

    /// <summary>Ends when it listens for a job, or is past that.</summary>
    public Task Listening => _listening.Task;

    /// <summary>Nobody waits for it any more: to be ended, unless it got a job meanwhile.</summary>
    public CancellationToken Retired => _retired.Token;

    /// <summary>GitHub says its job is over.</summary>
    public CancellationToken Completed => _completed.Token;

    /// <param name="state">A later one than now; an earlier one is what a slow message says, and ignored.</param>
    public void Enter(RunnerState state) => _fleet.Move(this, state);

    /// <summary>Its hook says which job it has, in which GitHub may have been quicker.</summary>
    public void Identified(GitHubJobFacts job) => _fleet.JobClaimed(this, job with { Name = JobName ?? job.Name });

    /// <summary>The runner says that it has a job.</summary>
    public void Named(string job)
    {
        JobName ??= job;
        Enter(RunnerState.Busy);
    }

    public void Dispose()
    {
        _fleet.Move(this, RunnerState.Ended);
        _retired.Dispose();
        _completed.Dispose();
    }

    internal void MoveTo(RunnerFleet fleet) => _fleet = fleet;

    internal void Moved(RunnerState state)
    {
        State = state;
        if (state == RunnerState.Busy) HadJob = true;
        if (state >= RunnerState.Listening) _listening.TrySetResult();
    }

    internal void Retire() => Cancel(_retired);

    internal void Complete() => Cancel(_completed);

    /// <summary>Not under the fleet's lock: whoever listens may ask the fleet something.</summary>
    private static void Cancel(CancellationTokenSource source) => ThreadPool.QueueUserWorkItem(static s =>
    {
        try
        {
            s.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It ended by itself in between.
        }
    }, source, preferLocal: false);
}

/// <summary>Which job a runner got, for logs and for people.</summary>
/// <param name="Repository">OWNER/NAME.</param>
/// <param name="Name">As GitHub shows it.</param>
/// <param name="RunId">Number of the workflow run.</param>
internal sealed record GitHubJobFacts(string Repository, string Name, long RunId)
{
    public string? WorkflowRef { get; init; }

    /// <summary>The workflow's name; null where only its hook would say it.</summary>
    public string? Workflow { get; init; }

    /// <summary>From 1; 0 where nobody said.</summary>
    public int Attempt { get; init; }

    public override string ToString() => $"{Repository} run {RunId}, {Name}";
}

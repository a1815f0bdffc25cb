using RunnerVm.Jobs;

namespace RunnerVm.Sources;

/// <summary>
/// A place jobs come from while an agent runs: one runner entry of one GitLab, one of GitHub's. The agent reserves room,
/// asks, and runs what it gets; everything in a forge's own words stays behind this.
/// </summary>
internal interface IForge : IDisposable
{
    /// <summary>As the configuration names it.</summary>
    string Name { get; }

    /// <summary>Of what is configured: two of the same name and fingerprint are the same.</summary>
    string Fingerprint { get; }

    /// <summary>The largest machine a job from here may get; reserved before asking.</summary>
    MachineSize Largest { get; }

    /// <summary>Jobs from here at once; null leaves it to the host's capacity.</summary>
    int? Limit { get; }

    /// <summary>Between two questions that brought nothing.</summary>
    TimeSpan Interval { get; }

    /// <summary>Figures of its own, as they are now.</summary>
    IEnumerable<ForgeFigure> Figures => [];

    /// <summary>Whether the forge answers and takes us; for people.</summary>
    Task<ForgeCheck> CheckAsync(CancellationToken cancellationToken);

    /// <summary>Reports the end of every job that an agent before us left in the middle. Before the first question.</summary>
    Task FinishInterruptedAsync(CancellationToken cancellationToken);

    /// <summary>Waits until asking may bring a job. Where a forge says nothing by itself, that is always.</summary>
    Task WaitForWorkAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>This one takes over from one of the same name that was configured otherwise, and of which jobs may still run.</summary>
    void Succeed(IForge before)
    {
    }

    /// <summary>What a forge does beside being asked, until <paramref name="stop"/>. Its trouble is its own to mend.</summary>
    /// <param name="room">How many more of its largest machines this host could start now.</param>
    Task ListenAsync(Func<int> room, CancellationToken stop) => Task.CompletedTask;

    /// <summary>Asks once. A question may have been answered already when it is cancelled, so that is for emergencies only.</summary>
    Task<ForgeAnswer> AskAsync(CancellationToken cancellationToken);
}

/// <summary>One job that a forge handed over.</summary>
internal interface IForgeJob : IDisposable
{
    /// <summary>For the agent's log.</summary>
    string Name { get; }

    MachineSize Size { get; }

    /// <summary>Runs and reports it. Does not throw for anything job, guest, host or forge do.</summary>
    /// <param name="reporting">Ends the attempts to report: the agent has no more time.</param>
    Task RunAsync(CancellationToken reporting);

    /// <summary>Ends it now; the forge is told that the runner was interrupted.</summary>
    void Interrupt();
}

/// <param name="Name">In Prometheus' words, for example runnervm_github_runners; of a counter ending in _total.</param>
/// <param name="Labels">Beside the forge's name, as <c>state="busy"</c>; empty for none.</param>
internal sealed record ForgeFigure(string Name, string Help, string Labels, double Value)
{
    /// <summary>Only ever grows, from the agent's start on.</summary>
    public bool IsCounter => Name.EndsWith("_total", StringComparison.Ordinal);

    /// <summary>Whose it is, where several forges share it and it is to be told once; null: the forge's own.</summary>
    public string? Of { get; init; }
}

/// <param name="Good">False: jobs from here will not come.</param>
internal sealed record ForgeCheck(bool Good, string Said);

/// <summary>What a forge says to the question for a job. Closed.</summary>
internal abstract record ForgeAnswer
{
    private ForgeAnswer()
    {
    }

    internal sealed record Job(IForgeJob Run) : ForgeAnswer;

    internal sealed record Nothing : ForgeAnswer;

    /// <summary>Network or forge are not well; it is asked again.</summary>
    internal sealed record Trouble(string Said) : ForgeAnswer;

    /// <summary>It does not take us. After some of these it is left alone for long.</summary>
    internal sealed record Refused(string Said) : ForgeAnswer;
}

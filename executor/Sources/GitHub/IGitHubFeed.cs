using RunnerVm.Sources.GitHub.Runners;

namespace RunnerVm.Sources.GitHub;

/// <summary>Says to a fleet how many runners there should be, and knows where such runners are registered.</summary>
internal interface IGitHubFeed : IDisposable
{
    IRunnerRegistry Registry { get; }

    /// <summary>Figures of its own.</summary>
    IEnumerable<ForgeFigure> Figures => [];

    /// <summary>Whether GitHub answers and takes us; changes nothing there.</summary>
    /// <returns>What was found, for people.</returns>
    /// <exception cref="GitHubException">One sentence.</exception>
    Task<string> CheckAsync(CancellationToken cancellationToken);

    /// <summary>Until it is told to stop. Trouble is a pause and another try.</summary>
    /// <param name="capacity">How many runners this host could have now, those it has included.</param>
    Task RunAsync(Func<int> capacity, CancellationToken stop);
}

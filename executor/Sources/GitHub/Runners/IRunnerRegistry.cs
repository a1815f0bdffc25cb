using RunnerVm.Sources.GitHub.Rest;

namespace RunnerVm.Sources.GitHub.Runners;

/// <summary>Where runners are registered for one job each: a scale set, or a scope of the REST API.</summary>
internal interface IRunnerRegistry
{
    /// <summary>Registers a runner, right before its machine starts: what it gets goes stale within minutes.</summary>
    /// <exception cref="GitHubException">One sentence.</exception>
    Task<JitConfiguration> RegisterAsync(string name, CancellationToken cancellationToken);

    /// <summary>Removes a registration. One that has a job stays until that is over.</summary>
    /// <exception cref="GitHubException">One sentence.</exception>
    Task<RunnerRemoval> RemoveAsync(long id, CancellationToken cancellationToken);

    /// <summary>The registration of that name, which an agent before may have left.</summary>
    /// <returns>Null: there is none.</returns>
    /// <exception cref="GitHubException">One sentence.</exception>
    Task<long?> FindAsync(string name, CancellationToken cancellationToken);
}

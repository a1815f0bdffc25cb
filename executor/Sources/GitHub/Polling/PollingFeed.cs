using Octokit;
using RunnerVm.Sources.GitHub.Rest;
using RunnerVm.Sources.GitHub.Runners;

namespace RunnerVm.Sources.GitHub.Polling;

/// <summary>Queued jobs found by looking, runners registered by the REST API.</summary>
internal sealed class PollingFeed(GitHubSourceOptions source, GitHubRunnerOptions options, GitHubApi api, RunnerFleet fleet, GitHubHost host) : IGitHubFeed
{
    private readonly RunnerLabels _labels = new(options.Labels);

    public IRunnerRegistry Registry { get; } = new RestRegistry(api, new RunnerLabels(options.Labels));

    public async Task<string> CheckAsync(CancellationToken cancellationToken)
    {
        var runners = await api.ListRunnersAsync(cancellationToken);
        foreach (var repository in source.Repositories) await api.ListRunsAsync(repository, CheckRunStatusFilter.Queued, cancellationToken);
        return $"the {api.Address.Scope.Title} has {runners.Count} runners, and the runs of {source.Repositories.Count} repositories can be seen";
    }

    public Task RunAsync(Func<int> capacity, CancellationToken stop) =>
        new JobPoller(api, new(options.Name, source.Repositories, _labels, source.CheckInterval), fleet, host.Log, host.Time).RunAsync(stop);

    public void Dispose()
    {
        // The connection is the source's.
    }
}

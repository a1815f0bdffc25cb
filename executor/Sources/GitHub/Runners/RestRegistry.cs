using RunnerVm.Sources.GitHub.Rest;

namespace RunnerVm.Sources.GitHub.Runners;

/// <summary>Runners of a repository, an organization or an enterprise, in its default group.</summary>
internal sealed class RestRegistry(GitHubApi api, RunnerLabels labels) : IRunnerRegistry
{
    private const long DefaultGroup = 1;

    public Task<JitConfiguration> RegisterAsync(string name, CancellationToken cancellationToken) =>
        api.CreateJitRunnerAsync(name, DefaultGroup, labels.All, cancellationToken);

    public Task<RunnerRemoval> RemoveAsync(long id, CancellationToken cancellationToken) => api.DeleteRunnerAsync(id, cancellationToken);

    public async Task<long?> FindAsync(string name, CancellationToken cancellationToken) =>
        (await api.ListRunnersAsync(cancellationToken)).FirstOrDefault(r => r.Name == name)?.Id;
}

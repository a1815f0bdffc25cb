using RunnerVm.Sources.GitHub.Rest;
using RunnerVm.Sources.GitHub.ScaleSets;

namespace RunnerVm.Sources.GitHub.Runners;

/// <summary>Runners of a scale set; the service's refusals become what all of GitHub's are.</summary>
/// <param name="set">The set of now, null before it is adopted.</param>
internal sealed class ScaleSetRegistry(ScaleSetClient client, Func<ScaleSet?> set) : IRunnerRegistry
{
    public Task<JitConfiguration> RegisterAsync(string name, CancellationToken cancellationToken) => AskAsync(() => set() is { } adopted
        ? client.CreateJitRunnerAsync(adopted.Id, name, cancellationToken)
        : throw new GitHubException(GitHubFault.Unavailable, $"Cannot register the runner {name}: its scale set is not adopted yet."));

    public Task<RunnerRemoval> RemoveAsync(long id, CancellationToken cancellationToken) => AskAsync(() => client.DeleteRunnerAsync(id, cancellationToken));

    public async Task<long?> FindAsync(string name, CancellationToken cancellationToken) => (await AskAsync(() => client.FindRunnerAsync(name, cancellationToken)))?.Id;

    private static async Task<T> AskAsync<T>(Func<Task<T>> call)
    {
        try
        {
            return await call();
        }
        catch (ServiceException e)
        {
            throw new GitHubException(e.RunnerExists ? GitHubFault.Conflict : e.ScaleSetIsGone ? GitHubFault.NotFound : GitHubFault.Invalid, e.Message, e);
        }
    }
}

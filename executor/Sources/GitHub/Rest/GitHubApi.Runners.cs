using System.Net;
using Octokit;
using RunnerVm.Sources.GitHub.Authentication;

namespace RunnerVm.Sources.GitHub.Rest;

/// <summary>Registrations of runners: made, listed, removed.</summary>
internal sealed partial class GitHubApi
{
    private const int PageSize = 100;

    /// <summary>What the scale set service wants to see; valid for an hour.</summary>
    public async Task<string> CreateRegistrationTokenAsync(CancellationToken cancellationToken)
    {
        var token = await CallAsync(
            $"get a registration token for the {Address.Scope.Title}", RunnerPermission.Of(Address.Scope),
            client => Address.Scope switch
            {
                GitHubScope.Repository r => client.Actions.SelfHostedRunners.CreateRepositoryRegistrationToken(r.Owner, r.Name, cancellationToken),
                GitHubScope.Organization o => client.Actions.SelfHostedRunners.CreateOrganizationRegistrationToken(o.Login, cancellationToken),
                GitHubScope.Enterprise e => client.Actions.SelfHostedRunners.CreateEnterpriseRegistrationToken(e.Slug, cancellationToken),
                _ => throw new InvalidOperationException(),
            },
            cancellationToken);
        return token.Token;
    }

    /// <summary>Registers a runner for one job. Octokit has no such call; its connection carries it.</summary>
    /// <param name="labels">All of them, "self-hosted" too: GitHub adds none.</param>
    /// <exception cref="GitHubException"><see cref="GitHubFault.Conflict"/>: the name is taken.</exception>
    public async Task<JitConfiguration> CreateJitRunnerAsync(string name, long groupId, IReadOnlyList<string> labels, CancellationToken cancellationToken)
    {
        var request = new JitRequest { Name = name, RunnerGroupId = groupId, Labels = labels, WorkFolder = "_work" };
        var answer = await CallAsync(
            $"register the runner {name} for the {Address.Scope.Title}", RunnerPermission.Of(Address.Scope),
            async client =>
            {
                var uri = new Uri($"{Address.Scope.Path}/actions/runners/generate-jitconfig", UriKind.Relative);
                return (await client.Connection.Post<JitAnswer>(uri, request, "application/vnd.github+json", "application/json", cancellationToken: cancellationToken)).Body;
            },
            cancellationToken);
        if (answer is not { Runner: { Id: > 0 } runner, EncodedJitConfig: { Length: > 0 } encoded })
            throw new GitHubException(GitHubFault.Garbled, $"Cannot register the runner {name}: {Address.Host} answered without a configuration for it.");
        return new(runner.Id, runner.Name ?? name, encoded);
    }

    public Task<IReadOnlyList<Runner>> ListRunnersAsync(CancellationToken cancellationToken) => CallAsync<IReadOnlyList<Runner>>(
        $"list the runners of the {Address.Scope.Title}", RunnerPermission.Of(Address.Scope),
        async client =>
        {
            var runners = new List<Runner>();
            for (var page = 1; ; page++)
            {
                var options = new ApiOptions { StartPage = page, PageCount = 1, PageSize = PageSize };
                var answer = await ListRunnersAsync(client.Actions.SelfHostedRunners, options);
                runners.AddRange(answer.Runners);
                if (answer.Runners.Count < PageSize) return runners;
            }
        },
        cancellationToken);

    /// <summary>Removes a registration. A runner that works keeps its own until its job is over.</summary>
    public Task<RunnerRemoval> DeleteRunnerAsync(long id, CancellationToken cancellationToken) => CallAsync(
        $"remove the runner {id} of the {Address.Scope.Title}", RunnerPermission.Of(Address.Scope),
        async client =>
        {
            try
            {
                await DeleteRunnerAsync(client.Actions.SelfHostedRunners, id);
                return RunnerRemoval.Removed;
            }
            catch (NotFoundException)
            {
                return RunnerRemoval.WasGone;
            }
            catch (ApiException e) when (e.StatusCode == HttpStatusCode.UnprocessableEntity)
            {
                return RunnerRemoval.StillBusy;
            }
        },
        cancellationToken);

    private Task<RunnerResponse> ListRunnersAsync(IActionsSelfHostedRunnersClient client, ApiOptions options) => Address.Scope switch
    {
        GitHubScope.Repository r => client.ListAllRunnersForRepository(r.Owner, r.Name, options),
        GitHubScope.Organization o => client.ListAllRunnersForOrganization(o.Login, options),
        GitHubScope.Enterprise e => client.ListAllRunnersForEnterprise(e.Slug, options),
        _ => throw new InvalidOperationException(),
    };

    private Task DeleteRunnerAsync(IActionsSelfHostedRunnersClient client, long id) => Address.Scope switch
    {
        GitHubScope.Repository r => client.DeleteRepositoryRunner(r.Owner, r.Name, id),
        GitHubScope.Organization o => client.DeleteOrganizationRunner(o.Login, id),
        GitHubScope.Enterprise e => client.DeleteEnterpriseRunner(e.Slug, id),
        _ => throw new InvalidOperationException(),
    };
}

/// <summary>How removing a registration went; all three are fine, the last one only later.</summary>
internal enum RunnerRemoval
{
    Removed,
    WasGone,
    StillBusy,
}

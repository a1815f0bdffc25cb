using Octokit;
using RunnerVm.Sources.GitHub.Rest;

namespace RunnerVm.Sources.GitHub.Authentication;

/// <summary>Where the App is installed, what it may do there, and the tokens it gets for it.</summary>
internal sealed class AppInstallation
{
    private readonly GitHubCredential.App _app;
    private readonly GitHubAddress _address;
    private readonly ServerClock _clock;
    private readonly GitHubClient _client;
    private long? _id;

    public AppInstallation(GitHubCredential.App app, GitHubAddress address, GitHubTransport transport, ServerClock clock, TimeProvider time)
    {
        (_app, _address, _clock, _id) = (app, address, clock, app.InstallationId);
        _client = OctokitClient.Create(address, transport, new AppIdentity(app, time));
    }

    /// <exception cref="GitHubException">One sentence.</exception>
    public async Task<AccessToken> CreateTokenAsync()
    {
        var id = _id ??= await FindAsync();
        return await CallAsync(
            $"get a token for installation {id} of the GitHub App {_app.Issuer}",
            "the App to be installed there (a wrong installation id looks the same)",
            client => client.CreateInstallationToken(id));
    }

    private async Task<long> FindAsync()
    {
        var installation = await CallAsync(
            $"find the installation of the GitHub App {_app.Issuer} for the {_address.Scope.Title}",
            $"the App to be installed on it: open the App's page, \"Install App\"",
            client => _address.Scope switch
            {
                GitHubScope.Repository repository => client.GetRepositoryInstallationForCurrent(repository.Owner, repository.Name),
                GitHubScope.Organization organization => client.GetOrganizationInstallationForCurrent(organization.Login),
                _ => throw new GitHubException(GitHubFault.Invalid, $"A GitHub App cannot serve the {_address.Scope.Title}: GitHub gives Apps no runners of an enterprise. Use a classic token with manage_runners:enterprise, or serve its organizations."),
            });
        if (installation.SuspendedAt is { } since)
            throw new GitHubException(GitHubFault.Forbidden, $"The installation of the GitHub App {_app.Issuer} on the {_address.Scope.Title} is suspended since {since:yyyy-MM-dd}. Its owner can lift that under Settings, GitHub Apps.");
        RequireWriting(installation.Permissions);
        return installation.Id;
    }

    /// <summary>Known here, before the first job fails for it.</summary>
    private void RequireWriting(InstallationPermissions? granted)
    {
        if (granted is null) return;
        var level = _address.Scope is GitHubScope.Repository ? granted.Administration : granted.OrganizationSelfHostedRunners;
        if (level?.StringValue == "write") return;
        throw new GitHubException(
            GitHubFault.Forbidden,
            $"The GitHub App {_app.Issuer} may not make runners for the {_address.Scope.Title}: it has {level?.StringValue ?? "no"} access where it needs {RunnerPermission.Of(_address.Scope)}. Change it on the App's page under \"Permissions\", then accept the change where it is installed.");
    }

    private async Task<T> CallAsync<T>(string attempt, string permission, Func<IGitHubAppsClient, Task<T>> call)
    {
        try
        {
            return await call(_client.GitHubApps);
        }
        catch (Exception e)
        {
            throw RestRefusal.Explain(e, attempt, permission, _address.Host, _clock);
        }
    }

    private sealed class AppIdentity(GitHubCredential.App app, TimeProvider time) : ICredentialStore
    {
        public Task<Credentials> GetCredentials() => Task.FromResult(new Credentials(app.Key.Sign(app.Issuer, time.GetUtcNow()), AuthenticationType.Bearer));
    }
}

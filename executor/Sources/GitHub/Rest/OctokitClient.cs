using Octokit;
using Octokit.Internal;

namespace RunnerVm.Sources.GitHub.Rest;

/// <summary>
/// Makes Octokit's clients. Octokit reads and writes JSON by reflection, which a program compiled ahead of time only has
/// for what it is told of: its assembly is kept whole (executor.csproj), and what it makes at run time is named in
/// <see cref="OctokitRoots"/>.
/// </summary>
internal static class OctokitClient
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    /// <summary>GitHub answers 403 to whoever has no name.</summary>
    private static ProductHeaderValue Name { get; } = new("runnervm", Product.Version);

    public static GitHubClient Create(GitHubAddress address, GitHubTransport transport, ICredentialStore credentials)
    {
        OctokitRoots.Keep();
        // Octokit disposes what it is given, and the transport is shared.
        var http = new HttpClientAdapter(() => new SharedHandler(transport));
        var client = new GitHubClient(new Connection(Name, address.Api, credentials, http, new SimpleJsonSerializer()));
        client.SetRequestTimeout(Timeout);
        return client;
    }

    private sealed class SharedHandler(HttpMessageHandler inner) : DelegatingHandler(inner)
    {
        /// <summary>The inner one belongs to <see cref="GitHubApi"/>.</summary>
        protected override void Dispose(bool disposing) => base.Dispose(disposing: false);
    }
}

using System.Security.Cryptography;
using Microsoft.Extensions.Time.Testing;
using RunnerVm.Sources.GitHub;
using RunnerVm.Sources.GitHub.Authentication;
using RunnerVm.Sources.GitHub.Rest;
using RunnerVm.Sources.GitHub.ScaleSets;
using RunnerVm.Tests.StandIns.GitHub;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitHub;

/// <summary>A GitHub stand-in with an App installed on acme and acme/app, and clients of it. Ends with a look at what was refused.</summary>
internal sealed class GitHubFixture : IAsyncDisposable
{
    public const string ClientId = "Iv23liStandIn";
    private static readonly RSA Key = RSA.Create(2048);
    private readonly List<IDisposable> _owned = [];

    private GitHubFixture(GitHubStandIn server, FakeTimeProvider time) => (Server, Time) = (server, time);

    public GitHubStandIn Server { get; }

    public FakeTimeProvider Time { get; }

    public GitHubWorld World => Server.World;

    public static async Task<GitHubFixture> StartAsync(string? runnerAccess = "write", bool suspended = false)
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 11, 25, 10, 0, 0, TimeSpan.Zero));
        var server = await GitHubStandIn.StartAsync(time);
        var scopes = new Dictionary<string, long> { ["orgs/acme"] = 44, ["repos/acme/app"] = 44 };
        server.World.Tokens.Install(new(ClientId, 123, Key.ExportSubjectPublicKeyInfoPem(), scopes, runnerAccess) { Suspended = suspended });
        return new(server, time);
    }

    public GitHubAddress Address(string scope = "acme") => GitHubAddress.Parse(new Uri(Server.Url, scope).AbsoluteUri);

    /// <param name="time">The client's own clock; null: the server's.</param>
    public GitHubApi AsApp(string scope = "acme", TimeProvider? time = null, string issuer = ClientId, long? installation = null, RSA? key = null) =>
        Owned(new GitHubApi(Address(scope), new GitHubCredential.App(issuer, Owned(AppKey.Parse((key ?? Key).ExportRSAPrivateKeyPem(), "key")), installation), time ?? Time));

    public GitHubApi AsPerson(string scope = "acme", TimeProvider? time = null)
    {
        var token = World.Tokens.NewPersonal();
        return Owned(new GitHubApi(Address(scope), new GitHubCredential.Token(() => token, "a test"), time ?? Time));
    }

    public ScaleSetClient ScaleSets(TimeProvider? time = null) => Owned(new ScaleSetClient(AsPerson(time: time), time ?? Time));

    public async ValueTask DisposeAsync()
    {
        _owned.ForEach(static o => o.Dispose());
        await Server.DisposeAsync();
        Assert.Empty(Server.Violations);
    }

    public T Owned<T>(T what)
        where T : IDisposable
    {
        _owned.Add(what);
        return what;
    }
}

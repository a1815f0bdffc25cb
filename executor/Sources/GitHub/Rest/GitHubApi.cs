using Octokit;
using Polly;
using Polly.Retry;
using RunnerVm.Sources.GitHub.Authentication;

namespace RunnerVm.Sources.GitHub.Rest;

/// <summary>
/// GitHub's REST API as far as runners need it, for one scope and one credential. Every call ends in its result or in a
/// <see cref="GitHubException"/> with one sentence; a refused token is renewed once, an answer that fails by GitHub's
/// trouble is asked for again a few times.
/// </summary>
internal sealed partial class GitHubApi : IDisposable
{
    private readonly GitHubTransport _transport;
    private readonly AccessTokens _tokens;
    private readonly GitHubClient _client;
    private readonly ResiliencePipeline _retry;

    /// <param name="handler">The network; owned from now on.</param>
    public GitHubApi(GitHubAddress address, GitHubCredential credential, TimeProvider time, HttpMessageHandler? handler = null)
    {
        (Address, Clock, Limit) = (address, new(time), new(time));
        _transport = new(handler ?? GitHubTransport.Sockets(), Clock, Limit);
        var installation = credential is GitHubCredential.App app ? new AppInstallation(app, address, _transport, Clock, time) : null;
        _tokens = new(credential, installation, time);
        _client = OctokitClient.Create(address, _transport, _tokens);
        _client.ResponseCache = new ETagCache();
        _retry = Retry(time);
    }

    public GitHubAddress Address { get; }

    public ServerClock Clock { get; }

    public RateLimit Limit { get; }

    public void Dispose()
    {
        _tokens.Dispose();
        _transport.Dispose();
    }

    private async Task<T> CallAsync<T>(string attempt, string permission, Func<GitHubClient, Task<T>> call, CancellationToken cancellationToken) =>
        await _retry.ExecuteAsync(
            async stop =>
            {
                try
                {
                    return await CallOnceAsync(call, stop);
                }
                catch (Exception e) when (e is not UserException && !stop.IsCancellationRequested)
                {
                    throw RestRefusal.Explain(e, attempt, permission, Address.Host, Clock);
                }
            },
            cancellationToken);

    /// <summary>Octokit takes no token to cancel by; whoever stops does not wait for the answer.</summary>
    private async Task<T> CallOnceAsync<T>(Func<GitHubClient, Task<T>> call, CancellationToken cancellationToken)
    {
        var token = await _tokens.CurrentAsync();
        try
        {
            return await call(_client).WaitAsync(cancellationToken);
        }
        catch (AuthorizationException) when (!cancellationToken.IsCancellationRequested)
        {
            if (!await _tokens.RefuseAsync(token)) throw;
            return await call(_client).WaitAsync(cancellationToken);
        }
    }

    private static ResiliencePipeline Retry(TimeProvider time) => new ResiliencePipelineBuilder { TimeProvider = time }
        .AddRetry(new RetryStrategyOptions
        {
            MaxRetryAttempts = 3,
            Delay = TimeSpan.FromSeconds(1),
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
            ShouldHandle = new PredicateBuilder().Handle<GitHubException>(static e => e.Fault == GitHubFault.Unavailable),
        })
        .Build();
}

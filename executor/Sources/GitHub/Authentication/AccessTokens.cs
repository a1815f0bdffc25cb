using Octokit;

namespace RunnerVm.Sources.GitHub.Authentication;

/// <summary>
/// The token of the moment. An App's is renewed five minutes before its end, by one request however many ask; one that
/// GitHub refused earlier is not used again.
/// </summary>
internal sealed class AccessTokens(GitHubCredential credential, AppInstallation? installation, TimeProvider time) : ICredentialStore, IDisposable
{
    private static readonly TimeSpan RenewBefore = TimeSpan.FromMinutes(5);

    private readonly SemaphoreSlim _one = new(1, 1);
    private string? _token;
    private DateTimeOffset _expires = DateTimeOffset.MaxValue;

    public async Task<Credentials> GetCredentials() => new(await CurrentAsync(), AuthenticationType.Bearer);

    /// <exception cref="GitHubException">The App gets no token.</exception>
    /// <exception cref="UserException">The token's file or variable is not what it was.</exception>
    public async Task<string> CurrentAsync()
    {
        await _one.WaitAsync();
        try
        {
            if (_token is { } token && time.GetUtcNow() < _expires - RenewBefore) return token;
            if (credential is GitHubCredential.Token given) return _token = given.Read();
            var fresh = await installation!.CreateTokenAsync();
            (_token, _expires) = (fresh.Token, fresh.ExpiresAt);
            return _token;
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>GitHub did not accept this token.</summary>
    /// <returns>True when the next one may be another: it is worth one more try.</returns>
    public async Task<bool> RefuseAsync(string token)
    {
        await _one.WaitAsync();
        try
        {
            if (_token != token) return true;
            _token = null;
            return credential is GitHubCredential.App || ((GitHubCredential.Token)credential).Read() != token;
        }
        finally
        {
            _one.Release();
        }
    }

    public void Dispose() => _one.Dispose();
}

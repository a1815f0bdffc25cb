using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>An App as its page shows it.</summary>
/// <param name="Key">PEM of the public half.</param>
/// <param name="Scopes">Where it is installed: <c>orgs/acme</c>, <c>repos/acme/app</c>.</param>
/// <param name="RunnerAccess">Level of the permission runners need; null: none.</param>
public sealed record StandInApp(string ClientId, long AppId, string Key, IReadOnlyDictionary<string, long> Scopes, string? RunnerAccess = "write")
{
    public bool Suspended { get; init; }
}

/// <summary>Every token that was given out, and until when it holds.</summary>
public sealed class TokenBook(TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly List<StandInApp> _apps = [];
    private readonly Dictionary<string, (TokenKind Kind, DateTimeOffset Expires)> _tokens = [];

    public void Install(StandInApp app)
    {
        lock (_gate) _apps.Add(app);
    }

    /// <summary>A person's token.</summary>
    public string NewPersonal()
    {
        var token = GitHubWorld.NewSecret("github_pat_");
        Add(token, TokenKind.Rest, DateTimeOffset.MaxValue);
        return token;
    }

    /// <summary>GitHub takes them back now and then, without a word.</summary>
    public void RevokeAll(TokenKind kind)
    {
        lock (_gate)
        {
            foreach (var token in _tokens.Where(t => t.Value.Kind == kind).Select(static t => t.Key).ToList()) _tokens.Remove(token);
        }
    }

    internal string New(TokenKind kind, string prefix, TimeSpan lifetime)
    {
        var token = GitHubWorld.NewSecret(prefix);
        Add(token, kind, time.GetUtcNow() + lifetime);
        return token;
    }

    /// <summary>A token that can be parsed as the JSON web token it pretends to be: clients read its end there.</summary>
    internal string NewWebToken(TokenKind kind, TimeSpan lifetime, string? scope = null)
    {
        var expires = time.GetUtcNow() + lifetime;
        var claims = Base64Url.EncodeToString(Encoding.UTF8.GetBytes($$"""{"exp":{{expires.ToUnixTimeSeconds()}},"scp":"{{scope ?? $"Actions.{kind}"}}"}"""));
        var token = $"{Base64Url.EncodeToString("""{"alg":"RS256","typ":"JWT"}"""u8)}.{claims}.{Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(24))}";
        Add(token, kind, expires);
        return token;
    }

    internal bool Holds(string? token, TokenKind kind)
    {
        lock (_gate) return token is not null && _tokens.TryGetValue(token, out var known) && known.Kind == kind && known.Expires > time.GetUtcNow();
    }

    internal (string Token, DateTimeOffset Expires) ForInstallation(TimeSpan lifetime)
    {
        var token = New(TokenKind.Rest, "ghs_", lifetime);
        lock (_gate) return (token, _tokens[token].Expires);
    }

    internal StandInApp? Installed(long installation)
    {
        lock (_gate) return _apps.Find(a => a.Scopes.Values.Contains(installation));
    }

    /// <summary>The App a JSON web token was signed by, or why GitHub would not have it.</summary>
    internal (StandInApp? App, string Refusal) Identify(string token)
    {
        const string Undecodable = "A JSON web token could not be decoded";
        var parts = token.Split('.');
        if (parts.Length != 3) return (null, Undecodable);
        using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(parts[1]));
        var issuer = claims.RootElement.GetProperty("iss").ToString();
        StandInApp? app;
        lock (_gate) app = _apps.Find(a => a.ClientId == issuer || a.AppId.ToString() == issuer);
        if (app is null) return (null, "Integration not found");
        using var key = RSA.Create();
        key.ImportFromPem(app.Key);
        var signed = Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}");
        if (!key.VerifyData(signed, Base64Url.DecodeFromChars(parts[2]), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)) return (null, Undecodable);
        var now = time.GetUtcNow().ToUnixTimeSeconds();
        var (issued, expires) = (claims.RootElement.GetProperty("iat").GetInt64(), claims.RootElement.GetProperty("exp").GetInt64());
        if (issued > now) return (null, "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued");
        if (expires <= now || expires > now + 600) return (null, "'Expiration time' claim ('exp') is too far in the future or over");
        return (app, "");
    }

    private void Add(string token, TokenKind kind, DateTimeOffset expires)
    {
        lock (_gate) _tokens[token] = (kind, expires);
    }
}

/// <summary>What a token opens.</summary>
public enum TokenKind
{
    /// <summary>The REST API.</summary>
    Rest,

    /// <summary>One exchange for an admin token.</summary>
    Registration,

    /// <summary>The scale set service.</summary>
    Admin,

    /// <summary>The queue of one session.</summary>
    Queue,

    /// <summary>The broker, for one runner.</summary>
    Runner,
}

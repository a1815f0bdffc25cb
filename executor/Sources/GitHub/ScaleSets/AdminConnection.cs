using System.Buffers.Text;
using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using RunnerVm.Sources.GitHub.Rest;

namespace RunnerVm.Sources.GitHub.ScaleSets;

/// <summary>
/// The way into the scale set service: a registration token from the REST API buys its address and an admin token, which
/// is bought anew shortly before its end and once after a 401.
/// </summary>
internal sealed class AdminConnection(GitHubApi api, ServiceExchange exchange, TimeProvider time) : IDisposable
{
    private const string ApiVersion = "api-version=6.0-preview";
    private static readonly TimeSpan RenewBefore = TimeSpan.FromSeconds(60);

    private readonly SemaphoreSlim _one = new(1, 1);
    private Admission? _admission;

    /// <param name="path">Below the service's address, with its query.</param>
    public async Task<T?> SendAsync<T>(
        string attempt, HttpMethod method, string path, HttpContent? content, JsonTypeInfo<T> answer, CancellationToken cancellationToken)
        where T : class
    {
        // Kept as bytes, for a request is sent once and may have to be made again.
        var body = content is null ? null : await content.ReadAsByteArrayAsync(cancellationToken);
        var admission = await AdmitAsync(cancellationToken);
        try
        {
            return await exchange.SendAsync(attempt, () => Request(admission, method, path, body), answer, cancellationToken);
        }
        catch (ServiceException e) when (e.TokenIsOver)
        {
            admission = await AdmitAsync(cancellationToken, instead: admission);
            return await exchange.SendAsync(attempt, () => Request(admission, method, path, body), answer, cancellationToken);
        }
    }

    /// <summary>As <see cref="SendAsync"/>, but with a token that is not the admin's, and without another try when that is over.</summary>
    public async Task<T?> SendWithTokenAsync<T>(
        string attempt, HttpMethod method, string path, string token, byte[] body, JsonTypeInfo<T> answer, CancellationToken cancellationToken)
        where T : class
    {
        var admission = await AdmitAsync(cancellationToken) with { Token = token };
        return await exchange.SendAsync(attempt, () => Request(admission, method, path, body), answer, cancellationToken);
    }

    public void Dispose() => _one.Dispose();

    private static HttpRequestMessage Request(Admission admission, HttpMethod method, string path, byte[]? body)
    {
        var uri = new Uri(admission.Service, $"{path}{(path.Contains('?') ? '&' : '?')}{ApiVersion}");
        var request = new HttpRequestMessage(method, uri) { Headers = { Authorization = new("Bearer", admission.Token) } };
        request.Content = new ByteArrayContent(body ?? []) { Headers = { ContentType = new("application/json") } };
        return request;
    }

    /// <param name="instead">An admission that was refused and must not be handed out again.</param>
    private async Task<Admission> AdmitAsync(CancellationToken cancellationToken, Admission? instead = null)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            if (_admission is { } held && held != instead && time.GetUtcNow() < held.Expires - RenewBefore) return held;
            return _admission = await RegisterAsync(cancellationToken);
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>The one call of the service that is known to refuse now and then what it takes a moment later.</summary>
    private async Task<Admission> RegisterAsync(CancellationToken cancellationToken)
    {
        const int Tries = 3;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await RegisterOnceAsync(cancellationToken);
            }
            catch (ServiceException e) when (e.Status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
            {
                if (attempt == Tries) throw new GitHubException(GitHubFault.Forbidden, e.Message, e);
                await Task.Delay(TimeSpan.FromSeconds(attempt), time, cancellationToken);
            }
            catch (ServiceException e) when (e.Status == HttpStatusCode.NotFound)
            {
                throw new GitHubException(GitHubFault.NotFound, $"{e.Message.TrimEnd('.')}: this GitHub may have no scale sets; use mode: polling.", e);
            }
        }
    }

    private async Task<Admission> RegisterOnceAsync(CancellationToken cancellationToken)
    {
        var attempt = $"register with the scale set service for the {api.Address.Scope.Title}";
        var token = await api.CreateRegistrationTokenAsync(cancellationToken);
        var answer = await exchange.SendAsync(
            attempt,
            () => new HttpRequestMessage(HttpMethod.Post, new Uri(api.Address.Api, "actions/runner-registration"))
            {
                Headers = { Authorization = new("RemoteAuth", token) },
                Content = ServiceExchange.Json(new(api.Address.Url.AbsoluteUri, "register"), ScaleSetJson.Default.RegistrationRequest),
            },
            ScaleSetJson.Default.ServiceAdmission,
            cancellationToken);
        if (answer is not { Token.Length: > 0 } || !Uri.TryCreate(answer.Url, UriKind.Absolute, out var service))
            throw new GitHubException(GitHubFault.Garbled, $"Cannot {attempt}: {api.Address.Host} answered without address or token.");
        return new(WithSlash(service), answer.Token, Expiry(answer.Token) ?? time.GetUtcNow() + TimeSpan.FromMinutes(30));
    }

    private static Uri WithSlash(Uri uri) => uri.AbsoluteUri.EndsWith('/') ? uri : new(uri.AbsoluteUri + "/");

    /// <summary>The token's own word; it is not ours to verify.</summary>
    private static DateTimeOffset? Expiry(string token)
    {
        var parts = token.Split('.');
        if (parts.Length != 3) return null;
        try
        {
            using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(parts[1]));
            return DateTimeOffset.FromUnixTimeSeconds(claims.RootElement.GetProperty("exp").GetInt64());
        }
        catch (Exception e) when (e is FormatException or JsonException or KeyNotFoundException or InvalidOperationException or ArgumentOutOfRangeException)
        {
            return null;
        }
    }

    private sealed record Admission(Uri Service, string Token, DateTimeOffset Expires);
}

using System.Net;
using System.Net.Security;
using System.Runtime.InteropServices;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Polly;

namespace RunnerVm.Sources.GitLab.Wire;

/// <summary>
/// HTTP to one GitLab: identification, retries of answers that ask for it, redirects that keep method and body. Knows
/// nothing of runners and jobs. Safe to use from several threads.
/// </summary>
internal sealed class GitLabHttp : IDisposable
{
    public const string JobTokenHeader = "JOB-TOKEN";

    /// <summary>An upload may take long; a request held back by long polling takes a minute.</summary>
    private static readonly TimeSpan RequestLimit = TimeSpan.FromMinutes(60);

    /// <summary>New addresses and certificates of the server are noticed after that.</summary>
    private static readonly TimeSpan ConnectionLifetime = TimeSpan.FromMinutes(15);

    private const int MostRedirects = 10;

    private static readonly string UserAgent =
        $"runnervm {Product.Version} (main; {RuntimeInformation.FrameworkDescription}; linux/{Architecture})";

    private readonly HttpClient _client;
    private readonly ResiliencePipeline<HttpResponseMessage> _retries;

    /// <exception cref="UserException">The CA file cannot be read.</exception>
    public GitLabHttp(GitLabServer server, TimeProvider time)
    {
        Server = server;
        if (server.CaFile is { } file) CaCertificates = ReadPem(file);
        _client = new(Handler(CaCertificates, server.CaFile)) { Timeout = RequestLimit };
        _retries = TransportRetry.Pipeline(time);
    }

    /// <summary>As the runner protocol names it.</summary>
    public static string Architecture => RuntimeInformation.OSArchitecture switch
    {
        System.Runtime.InteropServices.Architecture.X64 => "amd64",
        System.Runtime.InteropServices.Architecture.Arm64 => "arm64",
        var other => other.ToString().ToLowerInvariant(),
    };

    public GitLabServer Server { get; }

    public AnswerTally Answers { get; } = new();

    /// <summary>What is trusted besides the system's certificates, as PEM; a job's git has to trust it too. Null: nothing.</summary>
    public string? CaCertificates { get; }

    /// <summary>Sends a request as often as the rules want it; the last answer is given up unchanged.</summary>
    /// <param name="create">Makes the request anew for each attempt; relative addresses start at the API.</param>
    /// <param name="onRetry">Told of each answer that was not the last.</param>
    /// <exception cref="HttpRequestException">There was no connection, or no HTTP on it. Not retried here.</exception>
    public async Task<HttpResponseMessage> SendAsync(
        Func<HttpRequestMessage> create, CancellationToken cancellationToken, Action? onRetry = null)
    {
        var attempts = 0;
        return await _retries.ExecuteAsync(async token =>
        {
            if (attempts++ > 0) onRetry?.Invoke();
            return await SendOnceAsync(create, token);
        }, cancellationToken);
    }

    public void Dispose() => _client.Dispose();

    private async Task<HttpResponseMessage> SendOnceAsync(Func<HttpRequestMessage> create, CancellationToken cancellationToken)
    {
        Uri? target = null;
        for (var redirects = 0; ; redirects++)
        {
            using var request = create();
            target ??= new(Server.Api, request.RequestUri!);
            if (!IsSameOrigin(target, Server.Api)) request.Headers.Remove(JobTokenHeader);
            request.RequestUri = target;
            request.Headers.TryAddWithoutValidation("User-Agent", UserAgent);
            request.Headers.TryAddWithoutValidation("X-Request-Id", RandomNumberGenerator.GetHexString(32, lowercase: true));
            var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            Answers.Add((int)response.StatusCode);
            if (redirects == MostRedirects || Redirect(request, response) is not { } location) return response;
            target = new(target, location);
            response.Dispose();
        }
    }

    /// <summary>307 and 308 keep method and body; the other redirects are followed for what has neither to keep.</summary>
    private static Uri? Redirect(HttpRequestMessage request, HttpResponseMessage response)
    {
        var followed = (int)response.StatusCode is 307 or 308 || (request.Method == HttpMethod.Get && (int)response.StatusCode is 301 or 302 or 303);
        var location = followed ? response.Headers.Location : null;
        return location is null || (location.IsAbsoluteUri && location.Scheme is not ("http" or "https")) ? null : location;
    }

    private static bool IsSameOrigin(Uri one, Uri other) =>
        one.Scheme == other.Scheme && one.Host == other.Host && one.Port == other.Port;

    private static SocketsHttpHandler Handler(string? certificates, string? caFile)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            ConnectTimeout = TimeSpan.FromSeconds(30),
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(90),
            PooledConnectionLifetime = ConnectionLifetime,
            SslOptions = { EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13 },
        };
        if (certificates is not null) handler.SslOptions.CertificateChainPolicy = Trusting(certificates, caFile!);
        return handler;
    }

    private static string ReadPem(string caFile)
    {
        try
        {
            return File.ReadAllText(caFile);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unusable(caFile, e);
        }
    }

    private static X509ChainPolicy Trusting(string certificates, string caFile)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        try
        {
            policy.CustomTrustStore.ImportFromPem(certificates);
        }
        catch (CryptographicException e)
        {
            throw Unusable(caFile, e);
        }

        if (policy.CustomTrustStore.Count == 0)
            throw new UserException(ExitCodes.BadFile, $"Cannot use the CA file {caFile}: it holds no certificate in PEM form.");
        using var system = new X509Store(StoreName.Root, StoreLocation.LocalMachine);
        system.Open(OpenFlags.ReadOnly);
        policy.CustomTrustStore.AddRange(system.Certificates);
        return policy;
    }

    private static UserException Unusable(string caFile, Exception e) =>
        new(ExitCodes.BadFile, $"Cannot read the CA certificates in {caFile}: {e.Message} It should hold one or more in PEM form.", e);
}

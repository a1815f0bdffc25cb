using System.Net;
using System.Net.Http.Headers;

namespace RunnerVm.Sources.GitHub.Rest;

/// <summary>
/// What every request to GitHub shares: the version of the API it speaks, and the eyes on its answers: clock and rate
/// limit. Sits below Octokit, which knows neither.
/// </summary>
internal sealed class GitHubTransport(HttpMessageHandler inner, ServerClock clock, RateLimit limit) : DelegatingHandler(inner)
{
    /// <summary>Supported until 2028 at least; the next one changes answers.</summary>
    private const string ApiVersion = "2022-11-28";

    /// <summary>How a connection is kept: an address that moves is noticed within minutes.</summary>
    public static SocketsHttpHandler Sockets() => new()
    {
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        ConnectTimeout = TimeSpan.FromSeconds(15),
        AutomaticDecompression = DecompressionMethods.All,
        AllowAutoRedirect = false,
    };

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (limit.ResumeAt is { } resume) throw Limited(resume);
        request.Headers.TryAddWithoutValidation("X-GitHub-Api-Version", ApiVersion);
        request.Headers.Accept.ParseAdd("application/vnd.github+json");
        var answer = await base.SendAsync(request, cancellationToken);
        if (answer.Headers.Date is { } date) clock.Observe(date);
        var refusal = answer.StatusCode is HttpStatusCode.Forbidden ? await PeekAsync(answer.Content, cancellationToken) : null;
        if (!limit.Observe(answer, refusal)) return answer;
        answer.Dispose();
        throw Limited(limit.ResumeAt);
    }

    private static GitHubException Limited(DateTimeOffset? resume) =>
        new(GitHubFault.RateLimited, $"GitHub's rate limit is used up; it may be asked again at {resume:yyyy-MM-dd HH:mm:ss} UTC.") { RetryAt = resume };

    /// <summary>The content stays readable for whoever comes next.</summary>
    private static async Task<string> PeekAsync(HttpContent content, CancellationToken cancellationToken)
    {
        await content.LoadIntoBufferAsync(1 << 20, cancellationToken);
        return await content.ReadAsStringAsync(cancellationToken);
    }
}

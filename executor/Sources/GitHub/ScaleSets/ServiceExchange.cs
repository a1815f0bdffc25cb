using System.Net.Http.Headers;
using System.Net;
using System.Text.Json.Serialization.Metadata;
using System.Text.Json;
using Polly.Retry;
using Polly;
using RunnerVm.Options.Yaml;
using RunnerVm.Sources.GitHub.Rest;

namespace RunnerVm.Sources.GitHub.ScaleSets;

/// <summary>
/// HTTP as the scale set service wants it: its User-Agent, its errors, answers that may begin with a byte order mark,
/// and a few more tries where the network or the service failed. Knows no tokens.
/// </summary>
internal sealed class ServiceExchange : IDisposable
{
    /// <summary>The largest is a message of 50 entries, some 50 KB.</summary>
    private const int MaximumAnswer = 4 << 20;
    private const int MaximumQuote = 300;

    /// <summary>Above a poll's 50 s.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    private readonly HttpClient _http;
    private readonly ResiliencePipeline _retry;

    /// <param name="handler">The network; owned from now on.</param>
    public ServiceExchange(TimeProvider time, HttpMessageHandler? handler = null)
    {
        _http = new(handler ?? GitHubTransport.Sockets()) { Timeout = Patience, MaxResponseContentBufferSize = MaximumAnswer };
        _retry = new ResiliencePipelineBuilder { TimeProvider = time }
            .AddRetry(new RetryStrategyOptions
            {
                MaxRetryAttempts = 4, Delay = TimeSpan.FromSeconds(1), MaxDelay = LongestPause, BackoffType = DelayBackoffType.Exponential, UseJitter = true,
                ShouldHandle = new PredicateBuilder().Handle<GitHubException>(static e => e.IsTransient),
            })
            .Build();
    }

    public AnswerTally Answers { get; } = new();

    /// <summary>Named in the User-Agent once it is known.</summary>
    public int ScaleSetId { get; set; }

    /// <summary>Sends a request, made anew for each try.</summary>
    /// <param name="attempt">Completes "Cannot …".</param>
    /// <returns>The body, null where there is none, as after 202 and 204.</returns>
    /// <exception cref="ServiceException">The service refused.</exception>
    /// <exception cref="GitHubException">It cannot be reached, or its answer cannot be read.</exception>
    public async Task<T?> SendAsync<T>(string attempt, Func<HttpRequestMessage> request, JsonTypeInfo<T> answer, CancellationToken cancellationToken)
        where T : class
    {
        var body = await SendAsync(attempt, request, cancellationToken);
        if (body is null) return null;
        try
        {
            return JsonSerializer.Deserialize(body.AsSpan(), answer);
        }
        catch (JsonException e)
        {
            throw new GitHubException(GitHubFault.Garbled, $"Cannot {attempt}: the answer is not the JSON that was agreed on: {Quoted.Line(e.Message, MaximumQuote)}", e);
        }
    }

    /// <inheritdoc cref="SendAsync{T}"/>
    public async Task<byte[]?> SendAsync(string attempt, Func<HttpRequestMessage> request, CancellationToken cancellationToken) =>
        await _retry.ExecuteAsync(
            async stop =>
            {
                using var message = request();
                message.Headers.TryAddWithoutValidation("User-Agent", UserAgent());
                return await SendOnceAsync(attempt, message, stop);
            },
            cancellationToken);

    public static HttpContent Json<T>(T body, JsonTypeInfo<T> type) =>
        new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body, type)) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };

    public void Dispose() => _http.Dispose();

    private async Task<byte[]?> SendOnceAsync(string attempt, HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var host = request.RequestUri!.Host;
        try
        {
            using var answer = await _http.SendAsync(request, cancellationToken);
            Answers.Add((int)answer.StatusCode);
            var body = WithoutMark(await answer.Content.ReadAsByteArrayAsync(cancellationToken));
            if (answer.IsSuccessStatusCode) return answer.StatusCode is HttpStatusCode.Accepted or HttpStatusCode.NoContent || body.Length == 0 ? null : body;
            throw Refusal(attempt, host, answer, body);
        }
        catch (HttpRequestException e)
        {
            throw new GitHubException(GitHubFault.Unavailable, $"Cannot {attempt}: {RestRefusal.NoAnswer(e, host)}.", e);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new GitHubException(GitHubFault.Unavailable, $"Cannot {attempt}: {host} did not answer within {Patience.TotalSeconds:0} s.", e);
        }
    }

    private static Exception Refusal(string attempt, string host, HttpResponseMessage answer, byte[] body)
    {
        var error = Error(body);
        var activity = answer.Headers.TryGetValues("ActivityId", out var ids) ? Quoted.Line(ids.First(), 40) : null;
        var said = error?.Message is { Length: > 0 } words ? $" ({Quoted.Line(words, MaximumQuote).TrimEnd('.')})" : "";
        var sentence = $"Cannot {attempt}: {host} answered {(int)answer.StatusCode}{said}.";
        if (answer.StatusCode == HttpStatusCode.TooManyRequests) return new GitHubException(GitHubFault.RateLimited, sentence) { Activity = activity };
        if ((int)answer.StatusCode >= 500) return new GitHubException(GitHubFault.Unavailable, sentence) { Activity = activity };
        return new ServiceException(answer.StatusCode, error?.TypeName, sentence) { Activity = activity };
    }

    private static ServiceError? Error(byte[] body)
    {
        try
        {
            return JsonSerializer.Deserialize(body.AsSpan(), ScaleSetJson.Default.ServiceError);
        }
        catch (JsonException)
        {
            // Gateways answer in text or HTML, which helps nobody.
            return null;
        }
    }

    private static byte[] WithoutMark(byte[] body) => body.AsSpan().StartsWith("\uFEFF"u8) ? body[3..] : body;

    private string UserAgent() => JsonSerializer.Serialize(
        new("runnervm", Product.Version, "none", ScaleSetId, "listener", Product.Version, "none"), ScaleSetJson.Default.ServiceUserAgent);
}

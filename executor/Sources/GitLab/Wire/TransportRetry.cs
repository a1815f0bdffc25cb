using System.Globalization;
using Polly;
using Polly.Retry;

namespace RunnerVm.Sources.GitLab.Wire;

/// <summary>Which answers are asked for again, and when: what the server says, else a growing wait.</summary>
internal static class TransportRetry
{
    private const int Attempts = 5;

    private static readonly TimeSpan LongestStatedWait = TimeSpan.FromMinutes(10);

    public static ResiliencePipeline<HttpResponseMessage> Pipeline(TimeProvider time) => new ResiliencePipelineBuilder<HttpResponseMessage> { TimeProvider = time }
        .AddRetry(new()
        {
            MaxRetryAttempts = Attempts - 1,
            ShouldHandle = static arguments => ValueTask.FromResult(arguments.Outcome.Result is { } response && IsRetried((int)response.StatusCode)),
            Delay = TimeSpan.FromMilliseconds(100),
            MaxDelay = TimeSpan.FromSeconds(60),
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
            DelayGenerator = arguments => ValueTask.FromResult(StatedWait(arguments.Outcome.Result, time)),
            OnRetry = static arguments =>
            {
                arguments.Outcome.Result?.Dispose();
                return ValueTask.CompletedTask;
            },
        })
        .Build();

    public static bool IsRetried(int status) => status is 408 or 429 or 500 or 502 or 503 or 504 or >= 512;

    /// <summary>Null where the server names no time it can be asked again.</summary>
    private static TimeSpan? StatedWait(HttpResponseMessage? response, TimeProvider time)
    {
        if (response is null) return null;
        if (Header(response, "RateLimit-ResetTime") is { } reset
            && DateTimeOffset.TryParseExact(reset, "r", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
            && at > time.GetUtcNow())
            return Bounded(at - time.GetUtcNow());
        // Whole seconds only: a date in this header is not one of GitLab's.
        return int.TryParse(Header(response, "Retry-After"), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            ? Bounded(TimeSpan.FromSeconds(seconds))
            : null;
    }

    private static TimeSpan Bounded(TimeSpan wait) => wait < LongestStatedWait ? wait : LongestStatedWait;

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) ? values.FirstOrDefault() : null;
}

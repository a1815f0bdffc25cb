using System.Globalization;
using System.Net;

namespace RunnerVm.Sources.GitHub.Rest;

/// <summary>
/// What GitHub's headers say about how often we may ask, and until when we may not at all. A request that must fail is not
/// sent: asking on while limited can get an App banned.
/// </summary>
internal sealed class RateLimit(TimeProvider time)
{
    /// <summary>For a secondary limit that names no time; doubled while it goes on.</summary>
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(16);

    private readonly Lock _gate = new();
    private DateTimeOffset _resumeAt;
    private TimeSpan _pause = FirstPause;

    /// <summary>Requests left in this hour; null before the first answer.</summary>
    public int? Remaining { get; private set; }

    /// <summary>Requests an hour.</summary>
    public int? Limit { get; private set; }

    /// <summary>When <see cref="Remaining"/> is <see cref="Limit"/> again.</summary>
    public DateTimeOffset? Reset { get; private set; }

    /// <summary>The moment before which nothing may be asked, or null when asking is fine.</summary>
    public DateTimeOffset? ResumeAt
    {
        get
        {
            lock (_gate) return _resumeAt > time.GetUtcNow() ? _resumeAt : null;
        }
    }

    public AnswerTally Answers { get; } = new();

    /// <summary>Reads an answer's headers.</summary>
    /// <returns>True when the answer is a refusal for asking too often.</returns>
    public bool Observe(HttpResponseMessage answer, string? refusal)
    {
        Answers.Add((int)answer.StatusCode);
        lock (_gate)
        {
            Remaining = (int?)Number(answer, "x-ratelimit-remaining") ?? Remaining;
            Limit = (int?)Number(answer, "x-ratelimit-limit") ?? Limit;
            if (Number(answer, "x-ratelimit-reset") is { } reset) Reset = DateTimeOffset.FromUnixTimeSeconds(reset);
            if (!IsRefusal(answer, refusal))
            {
                if (answer.IsSuccessStatusCode) _pause = FirstPause;
                return false;
            }

            _resumeAt = Resume(answer);
            return true;
        }
    }

    private static bool IsRefusal(HttpResponseMessage answer, string? refusal)
    {
        if (answer.StatusCode == HttpStatusCode.TooManyRequests) return true;
        if (answer.StatusCode != HttpStatusCode.Forbidden) return false;
        return Number(answer, "x-ratelimit-remaining") == 0 || answer.Headers.RetryAfter is not null
            || (refusal?.Contains("rate limit", StringComparison.OrdinalIgnoreCase) ?? false);
    }

    private DateTimeOffset Resume(HttpResponseMessage answer)
    {
        var now = time.GetUtcNow();
        if (answer.Headers.RetryAfter is { } after) return after.Delta is { } delta ? now + delta : after.Date ?? now + FirstPause;
        if (Number(answer, "x-ratelimit-remaining") == 0 && Reset > now) return Reset.Value;
        var pause = _pause;
        _pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        return now + pause;
    }

    private static long? Number(HttpResponseMessage answer, string header) =>
        answer.Headers.TryGetValues(header, out var values) && long.TryParse(values.First(), CultureInfo.InvariantCulture, out var number) && number >= 0 ? number : null;
}

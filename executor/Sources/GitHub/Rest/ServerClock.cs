using RunnerVm.Options;

namespace RunnerVm.Sources.GitHub.Rest;

/// <summary>How far this host's clock is from GitHub's, as the Date header of its answers shows. Tokens are judged by GitHub's.</summary>
internal sealed class ServerClock(TimeProvider time)
{
    /// <summary>What both ends leave room for; below it nobody needs to hear of it.</summary>
    private static readonly TimeSpan Tolerated = TimeSpan.FromSeconds(60);

    private long _ahead;

    /// <summary>This host's clock minus GitHub's, at the last answer.</summary>
    public TimeSpan Ahead => new(Interlocked.Read(ref _ahead));

    /// <summary>Half a sentence and what to do, or null while the clock is right.</summary>
    public string? Complaint => Ahead.Duration() <= Tolerated
        ? null
        : $"this host's clock is {Duration.Format(TimeSpan.FromSeconds(Math.Round(Ahead.Duration().TotalSeconds)))} {(Ahead > TimeSpan.Zero ? "ahead of" : "behind")} GitHub's; set it, for example by timedatectl set-ntp true";

    /// <param name="date">Of an answer that has just come. Its header has whole seconds.</param>
    public void Observe(DateTimeOffset date) => Interlocked.Exchange(ref _ahead, (time.GetUtcNow() - date).Ticks);
}

namespace RunnerVm.Sources.GitHub;

/// <summary>
/// Keeps runners from being started that would only fail: while the version of GitHub's runner is missing or past its time,
/// and for a growing while after starts that failed. Safe to use from several threads.
/// </summary>
internal sealed class StartBrake(string name, GitHubHost host)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(2);

    /// <summary>A new version may have been fetched.</summary>
    private static readonly TimeSpan RefusalPause = TimeSpan.FromSeconds(20);

    private readonly Lock _gate = new();
    private TimeSpan _pause = FirstPause;
    private DateTimeOffset _notBefore;
    private string? _refusedVersion;
    private string? _told;

    /// <summary>Why no job can be taken at all until somebody does something; null: jobs can.</summary>
    public string? Refusal => host.Software() switch
    {
        null => "there is no GitHub runner on this host. Get one: runnervm runner fetch",
        { DaysLeft: <= 0 } old => $"GitHub's runner {old.Version} is past its time, and GitHub would hand it no jobs. Get the newest: runnervm runner fetch",
        { } software when software.Version == _refusedVersion => $"GitHub hands no jobs to its runner {software.Version} any more. Get the newest: runnervm runner fetch",
        _ => null,
    };

    /// <summary>The version in use, for people.</summary>
    public string Software => host.Software() is { } software ? $"GitHub's runner is {software.Version}, good for about {software.DaysLeft} days" : "there is no GitHub runner";

    /// <summary>Whether nothing is started now. A refusal is told once, when it begins; jobs that are not given to us bring no wish that would tell it.</summary>
    public bool IsOn()
    {
        var refusal = Refusal;
        lock (_gate)
        {
            if (refusal is not null && _told != refusal) host.Log.Error("{Name}: takes no jobs: {Why}", name, refusal);
            if (refusal is null && _told is not null) host.Log.Information("{Name}: takes jobs again", name);
            _told = refusal;
            return refusal is not null || host.Time.GetUtcNow() < _notBefore;
        }
    }

    /// <summary>Waits as long as the brake is on.</summary>
    /// <returns>Whether it waited: the world may have changed.</returns>
    public async Task<bool> HoldAsync(CancellationToken cancellationToken)
    {
        if (!IsOn()) return false;
        TimeSpan left;
        lock (_gate) left = _notBefore - host.Time.GetUtcNow();
        await Task.Delay(left > TimeSpan.Zero ? left : RefusalPause, host.Time, cancellationToken);
        return true;
    }

    /// <summary>Learns from a runner's end.</summary>
    public void Learn(RunnerReport report)
    {
        lock (_gate)
        {
            if (report.IsHealthy) (_pause, _notBefore) = (FirstPause, default);
            if (report.Ending is RunnerEnding.TooOld) _refusedVersion = host.Software()?.Version;
            if (!report.IsOurFailure) return;
            var until = host.Time.GetUtcNow() + _pause;
            if (report.Ending is RunnerEnding.NotRegistered { Refusal.RetryAt: { } at } && at > until) until = at;
            _notBefore = until;
            _pause = _pause * 2 < LongestPause ? _pause * 2 : LongestPause;
        }
    }
}

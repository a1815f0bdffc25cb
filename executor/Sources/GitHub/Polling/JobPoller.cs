using Octokit;
using RunnerVm.Sources.GitHub.Rest;
using RunnerVm.Sources.GitHub.Runners;
using Serilog;

namespace RunnerVm.Sources.GitHub.Polling;

/// <summary>What a poller looks for.</summary>
/// <param name="Name">For the log.</param>
/// <param name="Repositories">There is no list of an organization's queued jobs, so they are looked at one by one.</param>
/// <param name="Labels">Of our runners; a job that asks for others is somebody else's.</param>
/// <param name="Interval">Between two looks, while the rate limit allows it.</param>
internal sealed record JobPollerOptions(string Name, IReadOnlyList<GitHubScope.Repository> Repositories, RunnerLabels Labels, TimeSpan Interval);

/// <summary>
/// Keeps a fleet as large as the queued jobs of some repositories ask for, by looking at them: for places without scale
/// sets. What did not change costs nothing of the rate limit (ETags); of what does, no more is spent than lasts the hour.
/// </summary>
internal sealed class JobPoller(GitHubApi api, JobPollerOptions options, RunnerFleet fleet, ILogger log, TimeProvider time)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(2);

    /// <summary>Requests kept back for registering and removing runners.</summary>
    private const int Reserve = 200;

    private TimeSpan _backoff = FirstPause;

    /// <summary>The last sentence of trouble, or null while all is well.</summary>
    public string? Trouble { get; private set; }

    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            while (!stop.IsCancellationRequested) await Task.Delay(await LookAsync(stop), time, stop);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // No more looks.
        }
    }

    /// <summary>One look at every repository.</summary>
    /// <returns>How long until the next.</returns>
    private async Task<TimeSpan> LookAsync(CancellationToken stop)
    {
        try
        {
            var before = api.Limit.Remaining;
            var queued = 0;
            foreach (var repository in options.Repositories) queued += await CountAsync(repository, stop);
            if (Trouble is not null) log.Information("{Name}: looking for jobs again", options.Name);
            (Trouble, _backoff) = (null, FirstPause);
            // What ended is no longer in these lists: nobody need stand for it.
            fleet.Settle();
            fleet.Want(queued + fleet.Busy);
            return Pace(before - api.Limit.Remaining);
        }
        catch (Exception e) when (e is GitHubException or UserException)
        {
            return Pause(e);
        }
    }

    private async Task<int> CountAsync(GitHubScope.Repository repository, CancellationToken stop)
    {
        // A run of which some jobs already run is in_progress, whatever the others are.
        var runs = new HashSet<long>();
        foreach (var status in (CheckRunStatusFilter[])[CheckRunStatusFilter.Queued, CheckRunStatusFilter.InProgress])
        {
            foreach (var run in await api.ListRunsAsync(repository, status, stop)) runs.Add(run.Id);
        }

        var queued = 0;
        foreach (var run in runs) queued += await CountAsync(repository, run, stop);
        return queued;
    }

    private async Task<int> CountAsync(GitHubScope.Repository repository, long run, CancellationToken stop)
    {
        try
        {
            return (await api.ListJobsAsync(repository, run, stop)).Count(IsOurs);
        }
        catch (GitHubException e) when (e.Fault == GitHubFault.NotFound)
        {
            // Deleted between the two questions.
            return 0;
        }
    }

    /// <summary>"waiting" is for an approval or another run: no runner would get it.</summary>
    private bool IsOurs(WorkflowJob job) =>
        job.Status.StringValue == "queued" && string.IsNullOrEmpty(job.RunnerName) && options.Labels.Cover(job.Labels ?? []);

    /// <summary>Slower while the rest of the hour's requests would not last for looks as dear as this one.</summary>
    private TimeSpan Pace(int? spent)
    {
        if (spent is not > 0 || api.Limit is not { Remaining: { } left, Reset: { } reset }) return options.Interval;
        var affordable = Math.Max(left - Reserve, 1) / (double)spent.Value;
        var even = (reset - time.GetUtcNow()) / affordable;
        return even < options.Interval ? options.Interval : even < LongestPause ? even : LongestPause;
    }

    private TimeSpan Pause(Exception e)
    {
        var pause = e switch
        {
            GitHubException { RetryAt: { } at } => at - time.GetUtcNow(),
            GitHubException { IsTransient: true } => _backoff,
            _ => LongestPause,
        };
        if (e is GitHubException { IsTransient: true }) _backoff = _backoff * 2 < LongestPause ? _backoff * 2 : LongestPause;
        if (pause < FirstPause) pause = FirstPause;
        if (Trouble != e.Message) log.Warning("{Name}: {Reason} Tried again in {Seconds} s", options.Name, e.Message, (int)pause.TotalSeconds);
        Trouble = e.Message;
        return pause;
    }
}

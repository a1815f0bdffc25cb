using System.Diagnostics;
using System.Globalization;

namespace RunnerVm.Tests.StandIns.GitLab;

/// <summary>Many short jobs queued at once, and what came of them.</summary>
/// <param name="Elapsed">From the moment all were queued to the last accepted end.</param>
public sealed record JobFlood(IReadOnlyList<StandInJob> Jobs, TimeSpan Elapsed)
{
    public double JobsPerMinute => Jobs.Count / Elapsed.TotalMinutes;

    /// <summary>Queues them and waits for the last end.</summary>
    public static async Task<JobFlood> RunAsync(GitLabStandIn server, int count, TimeSpan limit)
    {
        var started = Stopwatch.GetTimestamp();
        var jobs = Enumerable.Range(1, count).Select(i => server.Queue($"job {i}", [$"echo this is job {i}"])).ToList();
        await server.WaitAsync(() => jobs.All(static job => job.IsOver), limit, $"the end of all {count} jobs");
        return new(jobs, Stopwatch.GetElapsedTime(started));
    }

    /// <summary>From GitLab's answer with a job to the patch with its first line: the value that so many in a hundred do not exceed.</summary>
    public TimeSpan FirstLine(int percent)
    {
        var all = Jobs.Select(static job => job.ToFirstOutput ?? throw new InvalidOperationException($"job {job.Id} said nothing")).Order().ToList();
        return all[Math.Clamp((int)Math.Ceiling(percent / 100.0 * all.Count) - 1, 0, all.Count - 1)];
    }

    /// <summary>One line for a report.</summary>
    /// <param name="processorTime">The agent's own for all of them.</param>
    public string Describe(TimeSpan processorTime) => string.Create(CultureInfo.InvariantCulture,
        $"{Jobs.Count} jobs in {Elapsed.TotalSeconds:0.0} s: {JobsPerMinute:0.0} jobs/minute; answer to first log line p50 {FirstLine(50).TotalSeconds:0.00} s, p99 {FirstLine(99).TotalSeconds:0.00} s; the agent's own processor time {processorTime.TotalMilliseconds / Jobs.Count:0} ms a job");
}

using RunnerVm.Leases;
using RunnerVm.Store;
using Serilog;

namespace RunnerVm.Agents;

/// <summary>
/// Removes the logs of jobs that are over when there are too many, too old or too large ones: the oldest first, all files of
/// a job together. A job that runs keeps its own.
/// </summary>
internal sealed class LogPruner(RunLedger ledger, ILogger log, TimeProvider time)
{
    /// <summary>Looking costs next to nothing, and a host fills its disk in hours, not in minutes.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(5);

    private volatile LogLimits _limits = new();

    /// <summary>What counts from the next look on.</summary>
    public LogLimits Limits
    {
        set => _limits = value;
    }

    /// <summary>Looks now and then until <paramref name="stop"/>.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        using var tick = new PeriodicTimer(Interval, time);
        try
        {
            do Prune();
            while (await tick.WaitForNextTickAsync(stop));
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The next start goes on.
        }
    }

    /// <returns>How many jobs' logs went.</returns>
    public int Prune()
    {
        try
        {
            var surplus = Surplus().ToList();
            foreach (var file in surplus.SelectMany(static job => job)) file.Delete();
            if (surplus.Count > 0) log.Debug("Removed the logs of {Count} jobs", surplus.Count);
            return surplus.Count;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            log.Warning("Old logs in {Folder} cannot be removed: {Why}", ledger.Logs, e.Message);
            return 0;
        }
    }

    private IEnumerable<IReadOnlyList<FileInfo>> Surplus()
    {
        var limits = _limits;
        var running = ledger.Folders().Select(RunRecord.Read).Select(static record => record?.JobId).ToHashSet();
        var jobs = new DirectoryInfo(ledger.Logs).GetFiles().GroupBy(static file => JobOf(file.Name)).Where(job => !running.Contains(job.Key))
            .Select(static job => job.ToList()).OrderByDescending(static job => job.Max(static file => file.LastWriteTimeUtc));
        var (count, bytes) = (0, 0L);
        foreach (var job in jobs)
        {
            count++;
            bytes += job.Sum(static file => file.Length);
            if (count > limits.Jobs || bytes > limits.Bytes || time.GetUtcNow() - job.Max(static file => file.LastWriteTimeUtc) > limits.Age) yield return job;
        }
    }

    /// <summary>Files are called JOB.log, JOB.egress.jsonl, JOB.console.txt; no job's name has a dot.</summary>
    private static string JobOf(string file) => file.Split('.')[0];
}

using System.Collections.Concurrent;
using RunnerVm.Jobs;
using RunnerVm.Sources;

namespace RunnerVm.Agents.Metrics;

/// <summary>What an agent counts while it runs. Safe to use from several threads; nothing is ever forgotten, and all is small.</summary>
internal sealed class AgentMetrics
{
    private readonly ConcurrentDictionary<string, Histogram> _phases = new();
    private readonly ConcurrentDictionary<string, Histogram> _queued = new();
    private readonly ConcurrentDictionary<(string Forge, string Result), long> _jobs = new();

    /// <summary>Seconds each phase of a run took.</summary>
    public IEnumerable<KeyValuePair<string, Histogram>> Phases => _phases.OrderBy(static p => p.Key, StringComparer.Ordinal);

    /// <summary>Seconds from a job's entering a forge's queue to its first instruction here, by forge.</summary>
    public IEnumerable<KeyValuePair<string, Histogram>> Queued => _queued.OrderBy(static p => p.Key, StringComparer.Ordinal);

    /// <summary>Jobs that ended, by forge and how.</summary>
    public IEnumerable<((string Forge, string Result) Of, long Count)> Jobs => _jobs.OrderBy(static p => p.Key).Select(static p => (p.Key, p.Value));

    public void PhaseEnded(JobPhase phase, TimeSpan elapsed) => _phases.GetOrAdd(phase.ToString().ToLowerInvariant(), static _ => new()).Add(elapsed.TotalSeconds);

    /// <param name="queued">By two clocks, so it may come out below zero.</param>
    public void JobStarted(string forge, TimeSpan queued) => _queued.GetOrAdd(forge, static _ => new()).Add(Math.Max(queued.TotalSeconds, 0));

    public void JobEnded(EndedJob job) => _jobs.AddOrUpdate((job.Forge, EndedJob.Word(job.Result)), 1, static (_, count) => count + 1);
}

/// <summary>A Prometheus histogram with bounds that fit machines: from a restore to an hour's job.</summary>
internal sealed class Histogram
{
    public static readonly double[] Bounds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600];

    private readonly Lock _gate = new();
    private readonly long[] _counts = new long[Bounds.Length + 1];
    private double _sum;

    public void Add(double value)
    {
        var bucket = Array.FindIndex(Bounds, bound => value <= bound);
        lock (_gate)
        {
            _counts[bucket < 0 ? Bounds.Length : bucket]++;
            _sum += value;
        }
    }

    /// <returns>Counts up to each bound and in all, and the sum.</returns>
    public (IReadOnlyList<long> Cumulative, double Sum) Read()
    {
        lock (_gate)
        {
            var cumulative = new long[_counts.Length];
            for (long i = 0, count = 0; i < _counts.Length; i++) cumulative[i] = count += _counts[i];
            return (cumulative, _sum);
        }
    }
}

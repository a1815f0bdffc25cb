using System.Collections.Concurrent;
using RunnerVm.Jobs;

namespace RunnerVm.Agents.Metrics;

/// <summary>What an agent counts while it runs. Safe to use from several threads; nothing is ever forgotten, and all is small.</summary>
internal sealed class AgentMetrics
{
    private readonly ConcurrentDictionary<string, Histogram> _phases = new();
    private readonly ConcurrentDictionary<string, long> _jobs = new();

    /// <summary>Seconds each phase of a job took.</summary>
    public IEnumerable<KeyValuePair<string, Histogram>> Phases => _phases.OrderBy(static p => p.Key, StringComparer.Ordinal);

    /// <summary>Jobs that ended, by how.</summary>
    public IEnumerable<KeyValuePair<string, long>> Jobs => _jobs.OrderBy(static p => p.Key, StringComparer.Ordinal);

    public void PhaseEnded(JobPhase phase, TimeSpan elapsed) => _phases.GetOrAdd(phase.ToString().ToLowerInvariant(), static _ => new()).Add(elapsed.TotalSeconds);

    public void JobEnded(JobOutcome outcome) => _jobs.AddOrUpdate(Name(outcome), 1, static (_, count) => count + 1);

    private static string Name(JobOutcome outcome) => outcome switch
    {
        JobOutcome.Succeeded => "succeeded",
        JobOutcome.StepFailed => "failed",
        JobOutcome.TimedOut => "timed_out",
        JobOutcome.Cancelled => "cancelled",
        _ => "runner_failed",
    };
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

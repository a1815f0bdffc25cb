namespace RunnerVm.Operate.Bench;

/// <summary>Measured values of one thing, in milliseconds or whatever their owner says.</summary>
internal sealed class Distribution
{
    private readonly double[] _sorted;

    /// <exception cref="ArgumentException">There are none.</exception>
    public Distribution(IEnumerable<double> samples)
    {
        _sorted = [.. samples.Order()];
        if (_sorted.Length == 0) throw new ArgumentException("A distribution needs a value.", nameof(samples));
    }

    /// <summary>From the smallest up.</summary>
    public IReadOnlyList<double> Samples => _sorted;

    public double Mean => _sorted.Average();

    public double P50 => Percentile(50);

    public double P95 => Percentile(95);

    public double P99 => Percentile(99);

    /// <summary>The smallest measured value that so many percent of all do not exceed (nearest rank): always one that was seen.</summary>
    public double Percentile(double percent) => _sorted[Math.Clamp((int)Math.Ceiling(percent / 100 * _sorted.Length) - 1, 0, _sorted.Length - 1)];
}

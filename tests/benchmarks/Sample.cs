namespace RunnerVm.Benchmarks;

/// <summary>Values of one measurement, taken several times.</summary>
internal sealed class Sample
{
    private readonly List<double> _values = [];

    public void Add(double value) => _values.Add(value);

    public double Median => Percentile(50);

    /// <summary>The smallest value that at least <paramref name="percent"/> of all do not exceed.</summary>
    public double Percentile(double percent)
    {
        _values.Sort();
        return _values[Math.Clamp((int)Math.Ceiling(percent / 100 * _values.Count) - 1, 0, _values.Count - 1)];
    }
}

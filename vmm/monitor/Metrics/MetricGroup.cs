using System.Text.Json;

namespace RunnerVm.Vmm.Monitor.Metrics;

/// <summary>Metrics with a common name: <c>vcpu</c>, <c>block_rootfs</c>. Made before the machine runs, then only counted and flushed.</summary>
internal sealed class MetricGroup(string name)
{
    private readonly List<(string Name, Func<long> Take)> _metrics = [];

    public string Name { get; } = name;

    public Counter Counter(string name)
    {
        var counter = new Counter();
        _metrics.Add((name, counter.TakeAdded));
        return counter;
    }

    public Gauge Gauge(string name)
    {
        var gauge = new Gauge();
        _metrics.Add((name, () => gauge.Value));
        return gauge;
    }

    /// <summary>For who counts in fields of its own: each flush reads <paramref name="total"/> and tells what was added.</summary>
    public MetricGroup Observe(string name, Func<long> total)
    {
        long told = 0;
        _metrics.Add((name, () =>
        {
            var now = total();
            var added = now - told;
            told = now;
            return added;
        }));
        return this;
    }

    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject(Name);
        foreach (var (name, take) in _metrics) writer.WriteNumber(name, take());
        writer.WriteEndObject();
    }
}

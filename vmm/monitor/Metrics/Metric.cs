namespace RunnerVm.Vmm.Monitor.Metrics;

/// <summary>Counts up. Any thread; each flush tells what was added since the one before, as Firecracker's counters do.</summary>
internal sealed class Counter
{
    private long _total;
    private long _told;

    public long Total => Interlocked.Read(ref _total);

    public void Add(long count = 1) => Interlocked.Add(ref _total, count);

    /// <summary>Event loop only.</summary>
    internal long TakeAdded()
    {
        var total = Total;
        var added = total - _told;
        _told = total;
        return added;
    }
}

/// <summary>A value as it is now. Any thread.</summary>
internal sealed class Gauge
{
    private long _value;

    public long Value => Interlocked.Read(ref _value);

    public void Set(long value) => Interlocked.Exchange(ref _value, value);
}

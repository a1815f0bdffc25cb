namespace RunnerVm.Vmm.Monitor.Bus;

/// <summary>
/// I/O ports, or memory-mapped registers: finds who answers at an address. Complete before the guest runs, so it needs no
/// lock. What nobody answers reads as all ones, is not written, and is counted, as on a real bus.
/// </summary>
internal sealed class IoBus
{
    private readonly BusRange[] _ranges;
    private long _unclaimed;

    /// <exception cref="ArgumentException">Two ranges overlap.</exception>
    public IoBus(IEnumerable<BusRange> ranges)
    {
        _ranges = [.. ranges.OrderBy(static range => range.Start)];
        for (var i = 1; i < _ranges.Length; i++)
        {
            if (_ranges[i].Start - _ranges[i - 1].Start < _ranges[i - 1].Length)
                throw new ArgumentException($"Two devices at 0x{_ranges[i].Start:x}.", nameof(ranges));
        }
    }

    /// <summary>Accesses that nobody answered.</summary>
    public long Unclaimed => Interlocked.Read(ref _unclaimed);

    public void Read(ulong address, Span<byte> into)
    {
        if (Find(address, into.Length) is not { } range)
        {
            into.Fill(0xff);
            Interlocked.Increment(ref _unclaimed);
            return;
        }

        into.Clear();
        range.Device.Read(address - range.Start, into);
    }

    public void Write(ulong address, ReadOnlySpan<byte> from)
    {
        if (Find(address, from.Length) is { } range) range.Device.Write(address - range.Start, from);
        else Interlocked.Increment(ref _unclaimed);
    }

    /// <summary>The range that holds the whole access.</summary>
    private BusRange? Find(ulong address, int length)
    {
        var (low, high) = (0, _ranges.Length - 1);
        while (low <= high)
        {
            var middle = (low + high) / 2;
            ref readonly var range = ref _ranges[middle];
            if (address < range.Start) high = middle - 1;
            else if (address - range.Start >= range.Length) low = middle + 1;
            else return (ulong)length <= range.Length - (address - range.Start) ? range : null;
        }

        return null;
    }
}

/// <param name="Length">In ports or bytes.</param>
internal readonly record struct BusRange(ulong Start, ulong Length, IBusDevice Device);

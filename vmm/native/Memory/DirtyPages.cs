namespace RunnerVm.Vmm.Native.Memory;

/// <summary>
/// Which pages of the guest's memory this process wrote. KVM logs the guest's own writes; those of our threads go past it.
/// </summary>
/// <remarks>Any thread marks; one takes, while the machine stands still.</remarks>
internal sealed class DirtyPages
{
    private const int PageShift = 12;
    private readonly ulong[][] _bits;

    /// <param name="lengths">Bytes of each region, whole pages.</param>
    public DirtyPages(IEnumerable<ulong> lengths) => _bits = [.. lengths.Select(static length => new ulong[((length >> PageShift) + 63) / 64])];

    /// <param name="offset">Within the region; the range was checked to be whole in it.</param>
    public void Mark(int region, ulong offset, ulong length)
    {
        if (length == 0) return;
        var bits = _bits[region];
        for (var page = offset >> PageShift; page <= (offset + length - 1) >> PageShift; page++)
        {
            ref var word = ref bits[page / 64];
            var bit = 1ul << (int)(page % 64);
            // Rings and headers are written over and over; a bit that is set needs no locked write.
            if ((Volatile.Read(ref word) & bit) == 0) Interlocked.Or(ref word, bit);
        }
    }

    /// <summary>Adds what was marked to <paramref name="into"/> and forgets it.</summary>
    public void MoveTo(int region, Span<ulong> into)
    {
        var bits = _bits[region];
        for (var i = 0; i < bits.Length; i++) into[i] |= Interlocked.Exchange(ref bits[i], 0);
    }
}

using System.Runtime.InteropServices;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Balloon;

/// <summary>Pages given away: named one by one (5.5.6.1), or reported as free ranges (5.5.6.8).</summary>
/// <remarks>
/// A page that is none is counted and passed over. It is the driver's mistake and costs only itself: whatever it names, it
/// can lose no memory but its own guest's.
/// </remarks>
internal sealed partial class BalloonDevice
{
    /// <summary>Linux names 256 at a time.</summary>
    private const int MostPagesPerRequest = 1024;

    private readonly uint[] _pages = new uint[MostPagesPerRequest];

    private void Inflate()
    {
        Counters.InflateRequests++;
        var count = _chain.Readable.Length / sizeof(uint);
        if (_chain.Readable.Length % sizeof(uint) != 0 || count > MostPagesPerRequest)
        {
            Counters.InvalidRequests++;
            return;
        }

        var pages = _pages.AsSpan(0, (int)count);
        _chain.Readable.CopyTo(0, MemoryMarshal.AsBytes(pages));
        // The driver allocates them in whatever order; sorted, neighbours go in one call.
        pages.Sort();
        while (pages.Length > 0)
        {
            var run = 1;
            while (run < pages.Length && pages[run] - pages[run - 1] <= 1) run++;
            DiscardPages(pages[0], pages[run - 1] - (ulong)pages[0] + 1);
            pages = pages[run..];
        }
    }

    private void DiscardPages(uint first, ulong count)
    {
        if (_memory.Contains(At(first), count * GuestMemory.PageSize))
        {
            Discard(At(first), count * GuestMemory.PageSize);
            return;
        }

        // Part of it may be memory all the same.
        for (ulong page = first; page < first + count; page++)
        {
            if (_memory.Contains(At(page), GuestMemory.PageSize)) Discard(At(page), GuestMemory.PageSize);
            else Counters.InvalidPages++;
        }

        static GuestAddress At(ulong page) => new(page * GuestMemory.PageSize);
    }

    /// <summary>Ranges the guest may write to again at any time, without telling.</summary>
    private void TakeReported()
    {
        Counters.Reports++;
        for (var i = 0; i < _chain.Writable.Count; i++)
        {
            var (address, length) = _chain.Writable[i];
            if ((address.Value | length) % GuestMemory.PageSize == 0) Discard(address, length);
            else Counters.InvalidPages++;
        }
    }

    private void Discard(GuestAddress address, ulong length)
    {
        if (length == 0) return;
        if (_memory.Discard(address, length)) Counters.DiscardedBytes += (long)length;
        else Counters.Failures++;
    }
}

/// <summary>What the balloon did since the start. Written on the event loop.</summary>
internal sealed class BalloonCounters
{
    public long InflateRequests { get; set; }

    public long DeflateRequests { get; set; }

    /// <summary>Free page reports.</summary>
    public long Reports { get; set; }

    /// <summary>Given back to the host, inflated and reported.</summary>
    public long DiscardedBytes { get; set; }

    /// <summary>Pages named that are no memory, ranges reported that are no pages.</summary>
    public long InvalidPages { get; set; }

    /// <summary>Requests that are no list of pages.</summary>
    public long InvalidRequests { get; set; }

    /// <summary>Pages the host could not take back.</summary>
    public long Failures { get; set; }

    public long StatisticsUpdates { get; set; }

    /// <summary>Statistics that we do not know, or not at all.</summary>
    public long StatisticsFailures { get; set; }
}

using RunnerVm.Vmm.Native.Libc;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Native.Time;

/// <summary>
/// Reads the processor's time stamp counter, and the raw clock beside it. .NET has no rdtsc, so ten bytes of
/// machine code do it.
/// </summary>
internal sealed class TimeStampCounter : IDisposable
{
    /// <summary>rdtsc; shl rdx, 32; or rax, rdx; ret</summary>
    private static ReadOnlySpan<byte> Code => [0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x20, 0x48, 0x09, 0xd0, 0xc3];

    private readonly MappedRegion _code;

    public TimeStampCounter()
    {
        _code = MappedRegion.Anonymous(4096);
        _code.Write(0, Code);
        _code.MakeExecutable();
    }

    /// <summary>Counter and clock at one moment: of five readings the one least disturbed.</summary>
    public (ulong Ticks, long Nanoseconds) Sample()
    {
        (ulong, long) best = default;
        var narrowest = long.MaxValue;
        for (var i = 0; i < 5; i++)
        {
            var before = RawClock();
            var ticks = Read();
            var after = RawClock();
            if (after - before >= narrowest) continue;
            narrowest = after - before;
            best = (ticks, before + (after - before) / 2);
        }

        return best;
    }

    public void Dispose() => _code.Dispose();

    private static unsafe long RawClock()
    {
        timespec now;
        // SAFETY: the call fills a structure on this stack.
        _ = LibC.clock_gettime(LibC.CLOCK_MONOTONIC_RAW, &now);
        return now.tv_sec * 1_000_000_000 + now.tv_nsec;
    }

    private unsafe ulong Read()
    {
        ObjectDisposedException.ThrowIf(_code.IsClosed, this);
        // SAFETY: the page is executable, holds the function above, and lives while `this` does.
        var ticks = ((delegate* unmanaged<ulong>)_code.Address)();
        GC.KeepAlive(this);
        return ticks;
    }
}

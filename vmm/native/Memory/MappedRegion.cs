using System.Runtime.InteropServices;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Memory;

/// <summary>Owns a mapping; unmaps it once. Every access is checked against its length.</summary>
internal sealed partial class MappedRegion : SafeHandle
{
    private const int MapFailed = -1;
    private const nuint LargePage = 2 << 20;

    private MappedRegion(nint address, nuint length)
        : base(MapFailed, ownsHandle: true)
    {
        SetHandle(address);
        Length = length;
    }

    /// <summary>In bytes.</summary>
    public nuint Length { get; }

    public override bool IsInvalid => handle is MapFailed or 0;

    /// <summary>Where it begins in this process; valid while the region lives.</summary>
    public ulong Address => (ulong)handle;

    /// <summary>Zeroed private memory, readable and writable.</summary>
    public static MappedRegion Anonymous(nuint length) =>
        Map(length, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS, -1, $"map {length} bytes of memory");

    /// <summary>What a device shares through its descriptor, readable and writable.</summary>
    public static MappedRegion OfDevice(FileDescriptor device, nuint length, string what)
    {
        using var fd = device.Borrow();
        return Map(length, LibC.MAP_SHARED, fd.Fd, $"map {what}");
    }

    /// <summary>
    /// A guest's memory: zeroed, private, taken from the host as it is touched, in pages of 2 MiB where the host has them at
    /// hand, and in no core dump.
    /// </summary>
    /// <param name="hugePages">2 MiB pages of the host's reserved pool, all of them reserved at once.</param>
    public static MappedRegion OfGuest(nuint length, bool hugePages) => hugePages ? OfReservedPages(length) : OfOrdinaryPages(length);

    private static MappedRegion OfReservedPages(nuint length)
    {
        // A page missing later would be a SIGBUS, so nothing is promised here.
        const int Kind = LibC.MAP_HUGETLB | LibC.MAP_HUGE_2MB;
        var region = Map(length, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS | Kind, -1, $"map {length} bytes of memory for the guest", errno => errno == LibC.ENOMEM
            ? $"The host has not that many free 2 MiB pages; reserve them: echo {length >> 21} > /proc/sys/vm/nr_hugepages."
            : null);
        _ = LibC.madvise(region.handle, length, LibC.MADV_DONTDUMP);
        return region;
    }

    /// <summary>
    /// KVM maps 2 MiB at once only where guest and host addresses agree in their lower 21 bits, and mmap aligns to 4 KiB: so more
    /// is mapped than needed, and what lies before and behind the aligned part goes back.
    /// </summary>
    private static MappedRegion OfOrdinaryPages(nuint length)
    {
        // Nothing is reserved: machines may promise more than the host has.
        using var whole = Map(
            length + LargePage, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS | LibC.MAP_NORESERVE, -1, $"map {length} bytes of memory for the guest",
            static errno => errno == LibC.ENOMEM ? "Ask for less memory." : null);
        var start = whole.handle;
        var aligned = (nint)(((nuint)start + LargePage - 1) & ~(LargePage - 1));
        var behind = aligned + (nint)length;
        whole.SetHandleAsInvalid();
        if (aligned > start) _ = LibC.munmap(start, (nuint)(aligned - start));
        _ = LibC.munmap(behind, (nuint)(start + (nint)(length + LargePage) - behind));

        // Advice only: a kernel without transparent huge pages refuses the second.
        _ = LibC.madvise(aligned, length, LibC.MADV_DONTDUMP);
        _ = LibC.madvise(aligned, length, LibC.MADV_HUGEPAGE);
        return new(aligned, length);
    }

    public unsafe void Write(nuint offset, ReadOnlySpan<byte> bytes)
    {
        Check(offset, (nuint)bytes.Length);
        // SAFETY: the range was checked and the mapping is writable until disposed, which cannot happen while we hold `this`.
        bytes.CopyTo(new Span<byte>((byte*)handle + offset, bytes.Length));
        GC.KeepAlive(this);
    }

    /// <summary>A copy: whoever shares the memory may change it at any time.</summary>
    public unsafe T Read<T>(nuint offset)
        where T : unmanaged
    {
        Check(offset, (nuint)sizeof(T));
        // SAFETY: the range was checked; T has no references; the read copes with any alignment.
        var value = MemoryMarshal.Read<T>(new ReadOnlySpan<byte>((byte*)handle + offset, sizeof(T)));
        GC.KeepAlive(this);
        return value;
    }

    /// <summary>The range itself, for memory that nobody else changes meanwhile; not to be kept beyond this object's life.</summary>
    internal unsafe Span<byte> Slice(nuint offset, int length)
    {
        Check(offset, (nuint)length);
        // SAFETY: the range was checked and is mapped until this object is disposed.
        return new((byte*)handle + offset, length);
    }

    /// <summary>From writable to executable, never both.</summary>
    public void MakeExecutable()
    {
        if (LibC.mprotect(handle, Length, LibC.PROT_READ | LibC.PROT_EXEC) != 0)
            throw LinuxException.Last("make memory executable");
    }

    protected override bool ReleaseHandle() => LibC.munmap(handle, Length) == 0;

    private static MappedRegion Map(nuint length, int flags, int fd, string attempt, Func<int, string?>? fix = null, long offset = 0)
    {
        var address = LibC.mmap(0, length, LibC.PROT_READ | LibC.PROT_WRITE, flags, fd, offset);
        if (address != MapFailed) return new(address, length);
        var errno = Marshal.GetLastPInvokeError();
        throw new LinuxException(attempt, errno, fix?.Invoke(errno));
    }

    private void Check(nuint offset, nuint count)
    {
        ObjectDisposedException.ThrowIf(IsClosed, this);
        if (offset > Length || count > Length - offset)
            throw new ArgumentOutOfRangeException(nameof(offset), $"{count} bytes at {offset} leave a region of {Length}.");
    }
}

using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Memory;

internal sealed partial class GuestMemory
{
    public const uint PageSize = 4096;

    /// <summary>
    /// Gives the host back what lies behind a range of pages; the guest reads zeroes there (what the file has, in memory that was
    /// mapped from one) and may write again. False where the host cannot: part of a huge page, say.
    /// </summary>
    /// <exception cref="GuestMemoryException">Not whole pages of the guest's memory.</exception>
    public unsafe bool Discard(GuestAddress address, ulong length)
    {
        if ((address.Value | length) % PageSize != 0) throw new GuestMemoryException(address, length);
        var range = (nint)ResolveWritable(address, length); // What the guest reads there changes.
        // Shared memory keeps its pages when only the mapping lets go, so they are removed from the file behind it; private
        // memory refuses that with EINVAL and is dropped by letting go.
        // SAFETY: pages of a checked range of guest data; nothing of ours lies there.
        return LibC.madvise(range, (nuint)length, LibC.MADV_REMOVE) == 0 || LibC.madvise(range, (nuint)length, LibC.MADV_DONTNEED) == 0;
    }
}

using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Memory;

// Memory that comes from a file, and goes into one.
internal sealed partial class MappedRegion
{
    /// <summary>
    /// A guest's memory as a file has it: nothing is read before it is touched, and what is written stays here. In no core dump.
    /// </summary>
    /// <param name="file">Must keep its length for as long as the mapping lives: a page beyond its end is a SIGBUS.</param>
    /// <param name="offset">A multiple of the page size.</param>
    public static MappedRegion OfGuestFile(FileDescriptor file, long offset, nuint length)
    {
        using var fd = file.Borrow();
        var region = Map(length, LibC.MAP_PRIVATE | LibC.MAP_NORESERVE, fd.Fd, $"map {length} bytes of a memory file", offset: offset);
        _ = LibC.madvise(region.handle, length, LibC.MADV_DONTDUMP);
        return region;
    }

    /// <summary>Whether the range holds nothing but zeroes now.</summary>
    public bool IsZero(nuint offset, int length)
    {
        var zero = !Slice(offset, length).ContainsAnyExcept((byte)0);
        GC.KeepAlive(this);
        return zero;
    }

    /// <summary>Writes a range into a file, all of it.</summary>
    /// <exception cref="LinuxException">The host failed it; a part may be there.</exception>
    public unsafe void WriteTo(FileDescriptor file, nuint offset, nuint length, long fileOffset)
    {
        Check(offset, length);
        using var fd = file.Borrow();
        while (length > 0)
        {
            var piece = new iovec { iov_base = (byte*)handle + offset, iov_len = length };
            // SAFETY: the range was checked and is mapped until this object is disposed; the kernel reads it during the call only.
            var written = LibC.ResultOrErrno(LibC.pwritev(fd.Fd, &piece, 1, fileOffset));
            if (written == -LibC.EINTR) continue;
            if (written <= 0) throw new LinuxException("write the guest's memory", written < 0 ? (int)-written : LibC.EIO, written == -LibC.ENOSPC ? "Make room on that file system." : null);
            (offset, length, fileOffset) = (offset + (nuint)written, length - (nuint)written, fileOffset + written);
        }

        GC.KeepAlive(this);
    }
}

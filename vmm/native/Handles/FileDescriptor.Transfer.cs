using System.Runtime.InteropServices;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Handles;

internal sealed partial class FileDescriptor
{
    /// <summary>A descriptor of our own for what <paramref name="fd"/> is open on: 0 to 2 of the process, mostly.</summary>
    public static FileDescriptor Duplicate(int fd)
    {
        var copy = LibC.fcntl(fd, LibC.F_DUPFD_CLOEXEC, 3);
        return copy >= 0 ? new(copy) : throw LinuxException.Last($"duplicate descriptor {fd}");
    }

    /// <summary>pread(2). Returns bytes read, zero at the end, or -errno.</summary>
    public unsafe long ReadAt(long offset, Span<byte> into)
    {
        using var borrowed = Borrow();
        // SAFETY: the span is pinned for the call, which writes at most its length.
        fixed (byte* target = into) return LibC.ResultOrErrno(LibC.pread(borrowed.Fd, target, (nuint)into.Length, offset));
    }

    /// <summary>read(2). Returns bytes read, zero at the end, or -errno.</summary>
    public unsafe long Read(Span<byte> into)
    {
        using var borrowed = Borrow();
        // SAFETY: the span is pinned for the call, which writes at most its length.
        fixed (byte* target = into) return LibC.ResultOrErrno(LibC.read(borrowed.Fd, target, (nuint)into.Length));
    }

    /// <summary>write(2). Returns bytes written, or -errno.</summary>
    public unsafe long Write(ReadOnlySpan<byte> bytes)
    {
        using var borrowed = Borrow();
        // SAFETY: the span is pinned for the call, which reads at most its length.
        fixed (byte* source = bytes) return LibC.ResultOrErrno(LibC.write(borrowed.Fd, source, (nuint)bytes.Length));
    }

    /// <summary>Whether a write of up to a page would not block, waited for at most <paramref name="milliseconds"/>. Always so for files.</summary>
    public unsafe bool WaitWritable(int milliseconds)
    {
        using var borrowed = Borrow();
        var wanted = new pollfd { fd = borrowed.Fd, events = LibC.POLLOUT };
        // SAFETY: one structure on this stack.
        return LibC.poll(&wanted, 1, milliseconds) == 1;
    }

    public bool IsTerminal
    {
        get
        {
            using var borrowed = Borrow();
            return LibC.isatty(borrowed.Fd) == 1;
        }
    }

    /// <summary>The size of a file or block device, by seeking to its end; -errno for what cannot seek.</summary>
    public long SeekEnd()
    {
        using var borrowed = Borrow();
        return LibC.ResultOrErrno((nint)LibC.lseek(borrowed.Fd, 0, LibC.SEEK_END));
    }

    /// <summary>Its length in bytes, as the kernel has it now (statx(2)).</summary>
    public unsafe long Length()
    {
        statx found;
        byte empty = 0;
        using var borrowed = Borrow();
        // SAFETY: an empty name and a structure on this stack, during the call.
        if (LibC.statx(borrowed.Fd, &empty, LibC.AT_EMPTY_PATH, LibC.STATX_BASIC_STATS, &found) != 0) throw LinuxException.Last("ask how long an open file is");
        return (long)Math.Min(found.stx_size, long.MaxValue);
    }

    /// <summary>Cuts it off or lengthens it by a hole. Returns zero, or -errno.</summary>
    public long SetLength(long length)
    {
        using var borrowed = Borrow();
        return LibC.ResultOrErrno(LibC.ftruncate(borrowed.Fd, length));
    }

    /// <summary>What was written is on the disk when this returns zero (fdatasync(2)); else -errno.</summary>
    public long Flush()
    {
        using var borrowed = Borrow();
        return LibC.ResultOrErrno(LibC.fdatasync(borrowed.Fd));
    }
}

using System.Runtime.InteropServices;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Handles;

/// <summary>A regular file or block device that stands behind a disk. Results are as of the system call: negative is -errno.</summary>
internal sealed class DiskFile : IDisposable
{
    /// <summary>Zeroes to write where the file system cannot make any itself.</summary>
    private static readonly byte[] Zeroes = GC.AllocateArray<byte>(1 << 16, pinned: true);

    private const string NotADirectory = "A drive is a file or a block device, not a directory.";

    private DiskFile(FileDescriptor descriptor) => Descriptor = descriptor;

    public FileDescriptor Descriptor { get; }

    /// <summary>In bytes, when it was opened or last looked at.</summary>
    public long Size { get; private set; }

    /// <summary>Device and inode in decimal, one after the other: as other monitors name a disk.</summary>
    public string Identity { get; private set; } = "";

    /// <exception cref="LinuxException">It cannot be opened so, or is neither file nor block device.</exception>
    public static DiskFile Open(string path, bool readOnly)
    {
        // Nonblocking: a named pipe would wait here for its other end. Files and block devices do not care.
        var flags = (readOnly ? LibC.O_RDONLY : LibC.O_RDWR) | LibC.O_NONBLOCK;
        var file = new DiskFile(FileDescriptor.Open(path, flags, static errno => errno switch
        {
            LibC.ENOENT => "Make the file, or correct the path.",
            LibC.EACCES => "Let the monitor's user read it (and write, unless the drive is read-only).",
            LibC.EROFS or LibC.ETXTBSY => "Make the drive read-only, or give it a copy.",
            LibC.EISDIR => NotADirectory,
            _ => null,
        }));
        try
        {
            file.Look(path);
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Reads the size again.</summary>
    /// <exception cref="LinuxException">Neither file nor block device.</exception>
    public unsafe void Look(string path)
    {
        using var fd = Descriptor.Borrow();
        statx found;
        byte empty = 0;
        // SAFETY: an empty name and a structure on this stack, during the call.
        if (LibC.statx(fd.Fd, &empty, LibC.AT_EMPTY_PATH, LibC.STATX_BASIC_STATS, &found) != 0)
            throw LinuxException.Last($"look at {path}");
        var kind = found.stx_mode & LibC.S_IFMT;
        if (kind == LibC.S_IFDIR) throw new LinuxException($"use {path} as a disk", LibC.EISDIR, NotADirectory);
        if (kind is not (LibC.S_IFREG or LibC.S_IFBLK))
            throw new LinuxException($"use {path} as a disk", LibC.EINVAL, "A drive is a regular file or a block device.");

        var size = found.stx_size;
        // SAFETY: the ioctl writes eight bytes on this stack.
        if (kind == LibC.S_IFBLK && LibC.ioctl(fd.Fd, LibC.BLKGETSIZE64, &size) != 0)
            throw LinuxException.Last($"ask for the size of {path}");
        Size = (long)Math.Min(size, long.MaxValue);
        Identity = $"{LibC.makedev(found.stx_dev_major, found.stx_dev_minor)}{LibC.makedev(found.stx_rdev_major, found.stx_rdev_minor)}{found.stx_ino}";
    }

    /// <summary>What was written is on the disk when this returns zero (fdatasync(2)).</summary>
    public long Flush()
    {
        using var fd = Descriptor.Borrow();
        return LibC.ResultOrErrno(LibC.fdatasync(fd.Fd));
    }

    /// <summary>Gives the range's blocks back; it reads as zeroes.</summary>
    public long PunchHole(long offset, long length) => Allocate(LibC.FALLOC_FL_PUNCH_HOLE | LibC.FALLOC_FL_KEEP_SIZE, offset, length);

    /// <summary>The range reads as zeroes and keeps its blocks.</summary>
    public long ZeroRange(long offset, long length) => Allocate(LibC.FALLOC_FL_ZERO_RANGE | LibC.FALLOC_FL_KEEP_SIZE, offset, length);

    /// <summary>The same by writing, where the file system knows nothing better.</summary>
    public unsafe long WriteZeroes(long offset, long length)
    {
        using var fd = Descriptor.Borrow();
        fixed (byte* zeroes = Zeroes)
        {
            while (length > 0)
            {
                var piece = new iovec { iov_base = zeroes, iov_len = (nuint)Math.Min(length, Zeroes.Length) };
                // SAFETY: the array is pinned and the piece no longer than it.
                var written = LibC.ResultOrErrno(LibC.pwritev(fd.Fd, &piece, 1, offset));
                if (written == -LibC.EINTR) continue;
                if (written <= 0) return written < 0 ? written : -LibC.EIO;
                offset += written;
                length -= written;
            }
        }

        return 0;
    }

    public void Dispose() => Descriptor.Dispose();

    private long Allocate(int mode, long offset, long length)
    {
        using var fd = Descriptor.Borrow();
        while (true)
        {
            var result = LibC.ResultOrErrno(LibC.fallocate(fd.Fd, mode, offset, length));
            if (result != -LibC.EINTR) return result;
        }
    }
}

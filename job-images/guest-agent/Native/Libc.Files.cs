using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace RunnerVm.GuestAgent.Native;

/// <summary>fcntl.h, sys/stat.h, sys/mount.h, sys/statvfs.h.</summary>
internal static unsafe partial class Libc
{
    public const int AT_FDCWD = -100;
    public const int AT_REMOVEDIR = 0x200;
    public const int AT_EMPTY_PATH = 0x1000;

    public const int O_RDONLY = 0;
    public const int O_WRONLY = 1;
    public const int O_RDWR = 2;
    public const int O_CREAT = 0x40;
    public const int O_EXCL = 0x80;
    public const int O_NOCTTY = 0x100;
    public const int O_TRUNC = 0x200;
    public const int O_NONBLOCK = 0x800;
    public const int O_DIRECTORY = 0x10000;
    public const int O_NOFOLLOW = 0x20000;
    public const int O_CLOEXEC = 0x80000;
    public const int O_PATH = 0x200000;

    /// <summary>The mode argument is ignored without <see cref="O_CREAT"/>.</summary>
    [LibraryImport(Library)]
    public static partial long lseek(SafeFileHandle file, long offset, int whence);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int openat(int folder, string path, int flags, int mode);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int mkdirat(int folder, string path, int mode);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int mkfifo(string path, int mode);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int unlinkat(int folder, string path, int flags);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int symlinkat(string target, int folder, string path);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int linkat(int oldFolder, string oldPath, int newFolder, string newPath, int flags);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int chmod(string path, int mode);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int fchmod(SafeFileHandle fd, int mode);

    public const int AT_SYMLINK_NOFOLLOW = 0x100;

    /// <summary>Two times: of access, of modification. A null path means the descriptor itself (futimens).</summary>
    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int utimensat(int folder, string path, TimeSpec* times, int flags);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int futimens(SafeFileHandle fd, TimeSpec* times);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int access(string path, int mode);

    public const int X_OK = 1;

    [LibraryImport(Library)]
    public static partial int umask(int mask);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint readlinkat(int folder, string path, byte* buffer, nuint size);

    public const long UTIME_OMIT = 0x3ffffffe;
    public const uint STATX_BASIC_STATS = 0x7ff;
    public const int S_IFMT = 0xf000;
    public const int S_IFREG = 0x8000;
    public const int S_IFDIR = 0x4000;
    public const int S_IFLNK = 0xa000;

    /// <summary>struct statx, as far as it is used; the same on every architecture.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct StatX
    {
        [FieldOffset(28)]
        public ushort stx_mode;

        [FieldOffset(40)]
        public ulong stx_size;

        [FieldOffset(112)]
        public long stx_mtime_sec;

        [FieldOffset(120)]
        public uint stx_mtime_nsec;
    }

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int statx(int folder, string path, int flags, uint mask, StatX* result);

    public const ulong RESOLVE_NO_MAGICLINKS = 2;
    public const ulong RESOLVE_BENEATH = 8;

    /// <summary>struct open_how (openat2(2)).</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct OpenHow
    {
        public ulong flags;
        public ulong mode;
        public ulong resolve;
    }

    public const nuint MS_RDONLY = 1;
    public const nuint MS_NOSUID = 2;
    public const nuint MS_NODEV = 4;
    public const nuint MS_NOEXEC = 8;
    public const nuint MS_NOATIME = 1024;
    public const nuint MS_BIND = 4096;
    public const nuint MS_MOVE = 8192;

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int mount(string source, string target, string? type, nuint flags, string? options);

    public const int MNT_DETACH = 2;

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int umount2(string target, int flags);

    /// <summary>struct statvfs of 64-bit Linux, as far as it is used, with room for the rest.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 112)]
    public struct StatVfs
    {
        public ulong f_bsize;
        public ulong f_frsize;
        public ulong f_blocks;
        public ulong f_bfree;
        public ulong f_bavail;
    }

    [LibraryImport(Library, SetLastError = true)]
    public static partial int fstatvfs(SafeFileHandle fd, StatVfs* result);
}

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    public const int AT_EMPTY_PATH = 0x1000;
    public const uint STATX_BASIC_STATS = 0x7ff;
    public const ushort S_IFMT = 0xf000;
    public const ushort S_IFIFO = 0x1000;
    public const ushort S_IFCHR = 0x2000;
    public const ushort S_IFDIR = 0x4000;
    public const ushort S_IFBLK = 0x6000;
    public const ushort S_IFREG = 0x8000;

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int mkdirat(int directory, byte* path, uint mode);

    /// <summary>The device's number as <see cref="makedev"/> packs it.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int mknodat(int directory, byte* path, uint mode, ulong device);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int fchmodat(int directory, byte* path, uint mode, int flags);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int statx(int directory, byte* path, int flags, uint mask, statx* into);
}

internal struct statx_timestamp
{
    public long tv_sec;
    public uint tv_nsec;
    public int __reserved;
}

[InlineArray(14)]
internal struct statx_spare
{
    private ulong _element;
}

internal struct statx
{
    public uint stx_mask, stx_blksize;
    public ulong stx_attributes;
    public uint stx_nlink, stx_uid, stx_gid;
    public ushort stx_mode, __spare0;
    public ulong stx_ino, stx_size, stx_blocks, stx_attributes_mask;
    public statx_timestamp stx_atime, stx_btime, stx_ctime, stx_mtime;
    public uint stx_rdev_major, stx_rdev_minor, stx_dev_major, stx_dev_minor;

    /// <summary>Later headers give names to some of it, so the comparison with them leaves it out.</summary>
    internal statx_spare _reserved;
}

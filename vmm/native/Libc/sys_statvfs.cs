using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    public const ulong ST_NODEV = 4;
    public const ulong ST_NOEXEC = 8;

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int fstatvfs(int fd, statvfs* into);
}

/// <summary>On x86-64; what follows the last field is the C library's.</summary>
[StructLayout(LayoutKind.Sequential, Size = 112)]
internal struct statvfs
{
    public ulong f_bsize, f_frsize, f_blocks, f_bfree, f_bavail, f_files, f_ffree, f_favail, f_fsid, f_flag, f_namemax;
}

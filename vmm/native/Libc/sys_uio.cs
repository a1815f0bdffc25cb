using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    public const int IOV_MAX = 1024;

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial nint readv(int fd, iovec* pieces, int count);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial nint writev(int fd, iovec* pieces, int count);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial nint preadv(int fd, iovec* pieces, int count, long offset);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial nint pwritev(int fd, iovec* pieces, int count, long offset);

    /// <summary>A system call's result as the kernel gives it: negative is the error's number.</summary>
    public static long ResultOrErrno(nint result) => result >= 0 ? result : -Marshal.GetLastPInvokeError();
}

internal unsafe struct iovec
{
    public void* iov_base;
    public nuint iov_len;
}

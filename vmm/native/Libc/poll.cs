using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    public const int POLLIN = 1;
    public const int POLLOUT = 4;

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int poll(pollfd* descriptors, nuint count, int timeoutMilliseconds);
}

internal struct pollfd
{
    public int fd;
    public short events;
    public short revents;
}

using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    [LibraryImport("libc", SetLastError = true)]
    public static partial int close(int fd);
}

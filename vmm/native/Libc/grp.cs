using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    /// <summary>Of all threads: the C library has each of them make the call.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int setgroups(nuint count, uint* groups);
}

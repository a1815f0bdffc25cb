using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial nint getrandom(void* into, nuint length, uint flags);
}

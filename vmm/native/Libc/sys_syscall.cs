using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    /// <summary>The C library has no function for pivot_root(2).</summary>
    public const long SYS_pivot_root = 155;
    public const long SYS_capset = 126;

    /// <summary>The variadic C function takes these in registers on x86-64, as this declaration does.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial long syscall(long number, void* first, void* second);
}

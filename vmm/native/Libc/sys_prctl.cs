using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    public const int PR_GET_NAME = 16;
    public const int PR_SET_NO_NEW_PRIVS = 38;

    /// <summary>The variadic C function takes its arguments in registers on x86-64, as this declaration does.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int prctl(int option, nuint second, nuint third, nuint fourth, nuint fifth);
}

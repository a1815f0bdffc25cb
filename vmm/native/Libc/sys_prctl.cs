using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    public const int PR_CAPBSET_DROP = 24;
    public const int PR_SET_NO_NEW_PRIVS = 38;
    public const int PR_CAP_AMBIENT = 47;
    public const int PR_CAP_AMBIENT_CLEAR_ALL = 4;

    /// <summary>The variadic C function takes these in registers on x86-64, as this declaration does. Of the calling thread.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int prctl(int option, ulong second, ulong third, ulong fourth, ulong fifth);
}

using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    public const int RLIMIT_FSIZE = 1;
    public const int RLIMIT_NOFILE = 7;

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int setrlimit(int resource, rlimit* limit);
}

internal struct rlimit
{
    public ulong rlim_cur, rlim_max;
}

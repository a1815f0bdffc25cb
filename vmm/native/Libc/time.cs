using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    /// <summary>Not slewed by NTP.</summary>
    public const int CLOCK_MONOTONIC_RAW = 4;

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int clock_gettime(int clock, timespec* time);
}

internal struct timespec
{
    public long tv_sec;
    public long tv_nsec;
}

using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Isolation;

/// <summary>The limits of setrlimit(2) that matter to a monitor.</summary>
internal enum ResourceLimit
{
    /// <summary>Bytes of a file it writes.</summary>
    FileSize = LibC.RLIMIT_FSIZE,

    /// <summary>One more than the highest file descriptor.</summary>
    OpenFiles = LibC.RLIMIT_NOFILE,
}

internal static class ResourceLimits
{
    /// <summary>Soft and hard.</summary>
    public static unsafe void Set(this ResourceLimit limit, ulong value)
    {
        var both = new rlimit { rlim_cur = value, rlim_max = value };
        // SAFETY: a structure on this stack, during the call.
        if (LibC.setrlimit((int)limit, &both) != 0)
        {
            throw LinuxException.Last($"limit {limit} to {value}", static errno => errno == LibC.EPERM
                ? "The value is above what the kernel allows (for open files: /proc/sys/fs/nr_open)."
                : null);
        }
    }
}

using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Processes;

/// <summary>What every process of the job inherits from the agent.</summary>
internal static unsafe class ProcessDefaults
{
    public static void Apply()
    {
        _ = Libc.umask(0b000_010_010);
        Set(Libc.RLIMIT_NOFILE, 65_536, 1_048_576);
        // The job's cgroup bounds the number of processes; the kernel's guess from the memory size would hit other users early.
        Set(Libc.RLIMIT_NPROC, Libc.RLIM_INFINITY, Libc.RLIM_INFINITY);
        // Core files only for who asks: they would fill the scratch disk.
        Set(Libc.RLIMIT_CORE, 0, Libc.RLIM_INFINITY);
    }

    private static void Set(int resource, ulong soft, ulong hard)
    {
        var limit = new Libc.ResourceLimit { rlim_cur = soft, rlim_max = hard };
        // SAFETY: the kernel reads the structure on the stack. A kernel that allows less keeps its own limit.
        _ = Libc.setrlimit(resource, &limit);
    }
}

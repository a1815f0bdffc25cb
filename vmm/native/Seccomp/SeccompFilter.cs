using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Seccomp;

/// <summary>A program in the kernel that judges each system call of a thread, from now to the thread's end (seccomp(2)).</summary>
internal static class SeccompFilter
{
    /// <summary>For every thread there is. Refused where one of them has a filter that the calling thread has not.</summary>
    /// <exception cref="LinuxException">With what to do.</exception>
    public static void InstallForAllThreads(ReadOnlySpan<sock_filter> program)
    {
        // Without it only root may filter. The kernel hands it on to the other threads together with the filter.
        if (LibC.prctl(LibC.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw LinuxException.Last("give up new privileges");
        var thread = Install(program, LibC.SECCOMP_FILTER_FLAG_TSYNC);
        if (thread > 0) throw new LinuxException($"filter the system calls of thread {thread}, which has a filter of its own", LibC.ESRCH);
    }

    /// <summary>For the calling thread, on top of the filters it has: a call must pass all of them.</summary>
    /// <exception cref="LinuxException">With what to do.</exception>
    public static void InstallForThisThread(ReadOnlySpan<sock_filter> program) => Install(program, 0);

    private static unsafe nint Install(ReadOnlySpan<sock_filter> program, uint flags)
    {
        fixed (sock_filter* instructions = program)
        {
            var argument = new sock_fprog { len = checked((ushort)program.Length), filter = instructions };
            // SAFETY: the kernel copies the pinned program during the call.
            var result = LibC.syscall((nint)SystemCall.seccomp, LibC.SECCOMP_SET_MODE_FILTER, flags, (nuint)(&argument));
            if (result >= 0) return result;
            var last = LinuxException.Last("filter system calls");
            throw new LinuxException("filter system calls", last.Errno, last.Errno switch
            {
                LibC.ENOSYS or LibC.EINVAL => "The kernel needs CONFIG_SECCOMP_FILTER; --no-seccomp runs without filters.",
                _ => "--no-seccomp runs without filters.",
            });
        }
    }
}

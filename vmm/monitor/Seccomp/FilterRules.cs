using RunnerVm.Vmm.Native.Kvm;
using RunnerVm.Vmm.Native.Libc;
using RunnerVm.Vmm.Native.Threads;
using static RunnerVm.Vmm.Monitor.Seccomp.ArgumentCheck;
using static RunnerVm.Vmm.Monitor.Seccomp.CallRule;

namespace RunnerVm.Vmm.Monitor.Seccomp;

/// <summary>
/// What each kind of thread may ask of the kernel once the guest runs, the busiest first. vmm/DESIGN.md says why for each
/// line; a test holds the two together.
/// </summary>
internal static class FilterRules
{
    /// <summary>On top of the process's.</summary>
    public static IReadOnlyList<CallRule> Vcpu => [.. OfVcpu, .. OfEveryThread, .. RefusedToThreads];

    /// <summary>On top of the process's.</summary>
    public static IReadOnlyList<CallRule> Api => [.. OfApi, .. OfEveryThread, .. RefusedToThreads];

    /// <summary>All that any thread may, since a thread's filter can only take away.</summary>
    public static IReadOnlyList<CallRule> Process => [.. OfVcpu, .. OfApi, .. OfLoop, .. OfEveryThread];

    internal static CallRule[] OfVcpu =>
    [
        Allow(SystemCall.ioctl, Is(1, (uint)KvmApi.KVM_RUN)),
        Allow(SystemCall.rt_sigtimedwait),
        Allow(SystemCall.read),
        Allow(SystemCall.poll),
        Allow(SystemCall.epoll_ctl),
        Allow(SystemCall.timerfd_settime),
        Allow(SystemCall.shutdown),
        Allow(SystemCall.close),
        Allow(SystemCall.ioctl, Is(1, (uint)LibC.TUNSETOFFLOAD)),
        .. StateOfVcpu.Select(static request => Allow(SystemCall.ioctl, Is(1, (uint)request))),
    ];

    internal static CallRule[] OfApi =>
    [
        Allow(SystemCall.epoll_wait),
        Allow(SystemCall.recvfrom),
        Allow(SystemCall.sendto, IsNull(4)),
        Allow(SystemCall.accept4),
        Allow(SystemCall.epoll_ctl),
        Allow(SystemCall.shutdown),
        Allow(SystemCall.close),
        Allow(SystemCall.read),
        Allow(SystemCall.poll),
    ];

    internal static CallRule[] OfLoop =>
    [
        Allow(SystemCall.preadv),
        Allow(SystemCall.pwritev),
        Allow(SystemCall.readv),
        Allow(SystemCall.fdatasync),
        Allow(SystemCall.fallocate),
        Allow(SystemCall.getrandom),
        Allow(SystemCall.socket, Is(0, LibC.AF_UNIX)),
        Allow(SystemCall.connect),
        Allow(SystemCall.timerfd_create),
        Allow(SystemCall.openat),
        Allow(SystemCall.statx),
        Allow(SystemCall.newfstatat),
        Allow(SystemCall.fstat),
        Allow(SystemCall.ioctl, Is(1, (uint)LibC.BLKGETSIZE64)),
        .. TerminalSettings.Select(static request => Allow(SystemCall.ioctl, Is(1, request))),
        .. OfSnapshots.Select(static request => Allow(SystemCall.ioctl, Is(1, (uint)request))),
        Allow(SystemCall.ftruncate),
        Allow(SystemCall.getcwd),
        Allow(SystemCall.unlink),
        Allow(SystemCall.seccomp, Is(0, LibC.SECCOMP_SET_MODE_FILTER), Is(1, 0)),
    ];

    /// <summary>The runtime, the C library, the last words of the process.</summary>
    internal static CallRule[] OfEveryThread =>
    [
        Allow(SystemCall.write),
        Allow(SystemCall.writev),
        Allow(SystemCall.futex),
        Allow(SystemCall.sched_yield),
        Allow(SystemCall.nanosleep),
        Allow(SystemCall.clock_nanosleep),
        Allow(SystemCall.madvise),
        Allow(SystemCall.mmap, HasNot(2, LibC.PROT_EXEC), Has(3, LibC.MAP_ANONYMOUS)),
        Allow(SystemCall.mprotect, HasNot(2, LibC.PROT_EXEC)),
        Allow(SystemCall.munmap),
        Allow(SystemCall.mremap),
        Allow(SystemCall.brk),
        Allow(SystemCall.rt_sigprocmask),
        Allow(SystemCall.rt_sigreturn),
        .. Signals.Select(static signal => Allow(SystemCall.tgkill, Is(0, (uint)Environment.ProcessId), Is(2, (uint)signal))),
        .. Crashes.Select(static signal => Allow(SystemCall.rt_sigaction, Is(0, (uint)signal))),
        Allow(SystemCall.membarrier),
        Allow(SystemCall.sysinfo),
        Allow(SystemCall.prlimit64, IsNull(2)),
        Allow(SystemCall.clock_gettime),
        Allow(SystemCall.getpid),
        Allow(SystemCall.gettid),
        Allow(SystemCall.prctl, Is(0, LibC.PR_GET_NAME)),
        Allow(SystemCall.restart_syscall),
        Allow(SystemCall.exit),
        Allow(SystemCall.exit_group),
    ];

    internal static CallRule[] RefusedToThreads => [Refuse(SystemCall.openat)];

    private static nuint[] StateOfVcpu =>
    [
        KvmApi.KVM_GET_REGS, KvmApi.KVM_GET_SREGS, KvmApi.KVM_GET_FPU, KvmApi.KVM_GET_MSRS, KvmApi.KVM_GET_LAPIC, KvmApi.KVM_GET_MP_STATE,
    ];

    /// <summary>
    /// Reading alone: what sets them all is asked before there is a filter. <see cref="StateOfVcpu"/> is the loop's, too, while the
    /// vCPU stands still.
    /// </summary>
    private static nuint[] OfSnapshots =>
    [
        KvmApi.KVM_GET_XSAVE, KvmApi.KVM_GET_XSAVE2, KvmApi.KVM_GET_XCRS, KvmApi.KVM_GET_DEBUGREGS, KvmApi.KVM_GET_VCPU_EVENTS, KvmApi.KVM_GET_TSC_KHZ,
        KvmApi.KVM_GET_IRQCHIP, KvmApi.KVM_GET_PIT2, KvmApi.KVM_GET_CLOCK, KvmApi.KVM_GET_DIRTY_LOG, KvmApi.KVM_KVMCLOCK_CTRL,
    ];

    /// <summary>Of tcsetattr(3), which looks before and after. TCGETS2 and TCSETS2, of newer C libraries: their header does not go with termios.h.</summary>
    private static uint[] TerminalSettings => [LibC.TCGETS, LibC.TCSETS, 0x802C542A, 0x402C542B];

    /// <summary>The kick of a vCPU, the runtime's own (SIGRTMIN as the C library has it), the end by abort.</summary>
    private static int[] Signals => [ThreadKick.Signal, RuntimeSignal, LibC.SIGABRT];

    /// <summary>The runtime gives a crash back to the kernel.</summary>
    private static int[] Crashes => [LibC.SIGSEGV, LibC.SIGABRT, LibC.SIGBUS, LibC.SIGFPE, LibC.SIGILL];

    private const int RuntimeSignal = 34;

    /// <summary>What the runtime needs besides where it compiles code while it runs, as under tests: executable memory, files, threads.</summary>
    public static IReadOnlyList<CallRule> OfCompiler =>
    [
        .. new[]
        {
            SystemCall.mmap, SystemCall.mprotect, SystemCall.openat, SystemCall.read, SystemCall.pread64, SystemCall.lseek, SystemCall.close,
            SystemCall.fstat, SystemCall.newfstatat, SystemCall.stat, SystemCall.access, SystemCall.readlink, SystemCall.getcwd, SystemCall.fcntl,
            SystemCall.flock, SystemCall.fadvise64, SystemCall.ftruncate, SystemCall.clone, SystemCall.clone3, SystemCall.set_robust_list,
            SystemCall.rseq, SystemCall.sigaltstack, SystemCall.prctl, SystemCall.sched_getaffinity, SystemCall.sched_setaffinity,
            SystemCall.sched_getparam, SystemCall.sched_getscheduler, SystemCall.sched_setscheduler, SystemCall.sched_get_priority_min, SystemCall.sched_get_priority_max,
        }.Select(static call => Allow(call)),
    ];
}

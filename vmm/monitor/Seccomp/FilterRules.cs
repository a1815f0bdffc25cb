using System.Runtime.CompilerServices;
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
internal static partial class FilterRules
{
    /// <summary>On top of the process's.</summary>
    public static IReadOnlyList<CallRule> Vcpu { get; } = [.. OfVcpu, .. OfEveryThread, .. RefusedToThreads, .. OfCompiler];

    /// <summary>On top of the process's.</summary>
    public static IReadOnlyList<CallRule> Api { get; } = [.. OfApi, .. OfEveryThread, .. RefusedToThreads, .. OfCompiler];

    /// <summary>All that any thread may, since a thread's filter can only take away.</summary>
    public static IReadOnlyList<CallRule> Process { get; } = [.. OfVcpu, .. OfApi, .. OfLoop, .. OfEveryThread, .. OfCompiler];

    private static CallRule[] OfVcpu =>
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

    private static CallRule[] OfApi =>
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

    private static CallRule[] OfLoop =>
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
        Allow(SystemCall.ioctl, Is(1, (uint)LibC.TCSETS)),
        Allow(SystemCall.ioctl, Is(1, (uint)LibC.TCGETS)),
        Allow(SystemCall.unlink),
        Allow(SystemCall.seccomp, Is(0, LibC.SECCOMP_SET_MODE_FILTER), Is(1, 0)),
    ];

    /// <summary>The runtime, the C library, the last words of the process.</summary>
    private static CallRule[] OfEveryThread =>
    [
        Allow(SystemCall.write),
        Allow(SystemCall.writev),
        Allow(SystemCall.futex),
        Allow(SystemCall.sched_yield),
        Allow(SystemCall.madvise),
        Allow(SystemCall.mmap, HasNot(2, LibC.PROT_EXEC), Has(3, LibC.MAP_ANONYMOUS)),
        Allow(SystemCall.mprotect, HasNot(2, LibC.PROT_EXEC)),
        Allow(SystemCall.munmap),
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

    private static CallRule[] RefusedToThreads => [Refuse(SystemCall.openat)];

    private static nuint[] StateOfVcpu =>
    [
        KvmApi.KVM_GET_REGS, KvmApi.KVM_GET_SREGS, KvmApi.KVM_GET_FPU, KvmApi.KVM_GET_MSRS, KvmApi.KVM_GET_LAPIC, KvmApi.KVM_GET_MP_STATE,
    ];

    /// <summary>The kick of a vCPU, the runtime's own (SIGRTMIN as the C library has it), the end by abort.</summary>
    private static int[] Signals => [ThreadKick.Signal, RuntimeSignal, LibC.SIGABRT];

    private static int[] Crashes => [LibC.SIGSEGV, LibC.SIGABRT, LibC.SIGBUS, LibC.SIGFPE, LibC.SIGILL];

    private const int RuntimeSignal = 34;

    /// <summary>Nothing, unless code is compiled while it runs, as under tests: memory becomes executable then, assemblies are loaded, threads made.</summary>
    private static CallRule[] OfCompiler => RuntimeFeature.IsDynamicCodeCompiled
        ?
        [
            Allow(SystemCall.mmap), Allow(SystemCall.mprotect), Allow(SystemCall.openat), Allow(SystemCall.read), Allow(SystemCall.pread64),
            Allow(SystemCall.fstat), Allow(SystemCall.newfstatat), Allow(SystemCall.stat), Allow(SystemCall.access), Allow(SystemCall.readlink), Allow(SystemCall.lseek),
            Allow(SystemCall.close), Allow(SystemCall.flock), Allow(SystemCall.fadvise64), Allow(SystemCall.getcwd), Allow(SystemCall.fcntl),
            Allow(SystemCall.clone), Allow(SystemCall.clone3), Allow(SystemCall.set_robust_list), Allow(SystemCall.rseq), Allow(SystemCall.sigaltstack),
            Allow(SystemCall.prctl), Allow(SystemCall.sched_getaffinity), Allow(SystemCall.sched_setaffinity), Allow(SystemCall.ftruncate), Allow(SystemCall.mremap),
        ]
        : [];
}

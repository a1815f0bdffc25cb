namespace RunnerVm.Machines.Qemu;

/// <summary>Who executes the guest's instructions, and what QEMU and the guest's kernel must be told for it.</summary>
/// <param name="Name">For people.</param>
internal sealed record QemuAcceleration(string Name, IReadOnlyList<string> Arguments, IReadOnlyList<string> KernelArguments)
{
    /// <summary>
    /// The processor itself. The guest has kvmclock and needs no help with time. Where the processor lacks the
    /// register IA32_ARCH_CAPABILITIES (all of AMD's), KVM offers one of its own making that newer kernels then do not
    /// let QEMU set: it would abort with "failed to set MSR 0x10a". The guest does without, as the host does.
    /// </summary>
    /// <param name="archCapabilities">Whether the host's processor has that register; see <see cref="HasArchCapabilities"/>.</param>
    public static QemuAcceleration Kvm(bool archCapabilities) => new(
        "KVM", ["-accel", "kvm", "-cpu", archCapabilities ? "host" : "host,arch-capabilities=off"], []);

    /// <summary>From the lines of /proc/cpuinfo.</summary>
    public static bool HasArchCapabilities(IEnumerable<string> cpuInfo) =>
        cpuInfo.FirstOrDefault(line => line.StartsWith("flags", StringComparison.Ordinal)) is { } flags
        && flags.Split(' ').Contains("arch_capabilities");

    /// <summary>
    /// QEMU's software CPU. The guest's time stamp counter is the host's; told its frequency the kernel need not
    /// calibrate it against timers that a busy host delays (it hangs when that fails). All processors read the one
    /// counter, but a kernel with several that are not Intel's takes them for unsynchronized and falls back to counting
    /// timer ticks, 4 ms apart, unless told that they can be relied on.
    /// What is taken from the processor's list costs more here than it gives: with erms and fsrm kernel and C library
    /// clear and copy by "rep stosb" and "rep movsb", which real processors do by the cache line and this one byte by
    /// byte; la57 makes every miss of the software TLB walk five levels of page tables, not four.
    /// And smap is wrong here: an iretq that a program executes reads its own stack, which QEMU 7.2 takes for an access of the
    /// kernel's and refuses. .NET executes one after each exception it has caught; its thread would die of it, with an oops.
    /// Code that runs for the first time costs more than anything else here. So the kernel does without accounting that nobody
    /// reads (psi), a watchdog over itself, security modules that have no policy in a job's machine (AppArmor, Tomoyo), and detours around
    /// what a real processor speculates on.
    /// </summary>
    public static QemuAcceleration Tcg(long tscKhz) => new(
        "software CPU (TCG)",
        ["-accel", "tcg,thread=multi", "-cpu", "max,-erms,-fsrm,-la57,-smap"],
        [$"tsc_early_khz={tscKhz}", "tsc=reliable", "psi=0", "nowatchdog", "mitigations=off", "lsm=landlock,yama"]);
}

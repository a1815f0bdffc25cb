namespace RunnerVm.Machines.Qemu;

/// <summary>Who executes the guest's instructions, and what QEMU and the guest's kernel must be told for it.</summary>
/// <param name="Name">For people.</param>
internal sealed record QemuAcceleration(string Name, IReadOnlyList<string> Arguments, IReadOnlyList<string> KernelArguments)
{
    /// <summary>The processor itself. The guest has kvmclock and needs no help with time.</summary>
    public static QemuAcceleration Kvm { get; } = new("KVM", ["-accel", "kvm", "-cpu", "host"], []);

    /// <summary>
    /// QEMU's software CPU. The guest's time stamp counter is the host's; told its frequency the kernel need not
    /// calibrate it against timers that a busy host delays (it hangs when that fails).
    /// </summary>
    public static QemuAcceleration Tcg(long tscKhz) => new(
        "software CPU (TCG)",
        ["-accel", "tcg,thread=multi", "-cpu", "max"],
        [$"tsc_early_khz={tscKhz}"]);
}

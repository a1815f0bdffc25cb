using RunnerVm.Vmm.Monitor.Control;

namespace RunnerVm.Vmm.Monitor.Configuration;

internal sealed partial record VmResources
{
    public VmResources With(MachineUpdate update)
    {
        var machine = Machine with
        {
            VcpuCount = update.VcpuCount ?? Machine.VcpuCount,
            MemSizeMib = update.MemSizeMib ?? Machine.MemSizeMib,
            Smt = update.Smt ?? Machine.Smt,
            TrackDirtyPages = update.TrackDirtyPages ?? Machine.TrackDirtyPages,
            HugePages = update.HugePages ?? Machine.HugePages,
        };
        if (machine.VcpuCount is < 1 or > MachineConfiguration.MostVcpus)
            throw new VmmFaultException($"vcpu_count: must be 1 to {MachineConfiguration.MostVcpus}; it is {machine.VcpuCount}.");
        if (machine is { Smt: true, VcpuCount: > 1 } && machine.VcpuCount % 2 != 0)
            throw new VmmFaultException($"vcpu_count: must be 1 or even where smt is true, two threads a core; it is {machine.VcpuCount}.");
        CheckMemory(machine);
        return this with { Machine = machine };
    }

    public VmResources With(BootSource boot)
    {
        Span<byte> start = stackalloc byte[0x206];
        var length = HostFiles.ReadStart("kernel_image_path", boot.KernelImagePath, start);
        // Linux, x86/boot: the setup header of a bzImage has "HdrS" at 0x202.
        if (!start[..length].StartsWith("\u007fELF"u8) && !(length == start.Length && start.EndsWith("HdrS"u8)))
            throw new VmmFaultException($"kernel_image_path: {boot.KernelImagePath} is no kernel: neither ELF nor a bzImage. Give a vmlinux or a bzImage.");
        if (boot.InitrdPath is { } initrd) HostFiles.ReadStart("initrd_path", initrd, []);
        CheckArguments(boot.BootArgs ?? "");
        return this with { BootSource = boot };
    }

    public VmResources With(CpuConfiguration cpu) => this with { Cpu = cpu };

    public VmResources With(Balloon balloon)
    {
        CheckBalloon(balloon.AmountMib, Machine.MemSizeMib);
        return this with { Balloon = balloon };
    }

    /// <summary>Also of a running machine.</summary>
    public static void CheckBalloon(long amountMib, long memoryMib)
    {
        if (amountMib > memoryMib)
            throw new VmmFaultException($"amount_mib: the balloon would take {amountMib} MiB and the machine has {memoryMib}. Ask for less, or give mem_size_mib more.");
    }

    private void CheckMemory(MachineConfiguration machine)
    {
        if (machine.MemSizeMib is < MachineConfiguration.LeastMemoryMib or > MachineConfiguration.MostMemoryMib)
        {
            throw new VmmFaultException(
                $"mem_size_mib: must be {MachineConfiguration.LeastMemoryMib} to {MachineConfiguration.MostMemoryMib}; it is {machine.MemSizeMib}.");
        }

        if (machine.HugePages == HugePages.TwoMib && machine.MemSizeMib % 2 != 0)
            throw new VmmFaultException($"mem_size_mib: must be even where huge_pages is 2M; it is {machine.MemSizeMib}.");
        if (Balloon is { } balloon && balloon.AmountMib > machine.MemSizeMib)
            throw new VmmFaultException($"mem_size_mib: must be at least the balloon's amount_mib, {balloon.AmountMib}; it is {machine.MemSizeMib}.");
    }

    private static void CheckArguments(string arguments)
    {
        if (arguments.Length >= BootSource.MostArguments)
            throw new VmmFaultException($"boot_args: may have {BootSource.MostArguments - 1} characters, as Linux has room for; it has {arguments.Length}.");
        foreach (var c in arguments)
        {
            if (c is < ' ' or > '~') throw new VmmFaultException($"boot_args: may have printable ASCII only; there is U+{(int)c:X4}.");
        }
    }
}

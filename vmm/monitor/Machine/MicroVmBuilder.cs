using RunnerVm.Vmm.Monitor.Boot;
using RunnerVm.Vmm.Monitor.Bus;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Devices.Legacy;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Kvm;
using RunnerVm.Vmm.Native.Libc;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Machine;

/// <summary>Builds a machine out of what was configured. The order here is the order in which KVM wants things.</summary>
/// <param name="loop">Where the machine lives from now on.</param>
/// <param name="ended">Called once, on the loop, when the guest is over.</param>
internal sealed class MicroVmBuilder(EventLoop loop, Action<GuestEnd> ended)
{
    /// <summary>A time stamp of <see cref="System.Diagnostics.Stopwatch"/>, when a boot timer is wanted (--boot-timer).</summary>
    public long? BootTimerStart { get; init; }

    /// <summary>Called on a vCPU when the guest says that it is up.</summary>
    public Action<TimeSpan>? Booted { get; init; }

    /// <summary>Where the guest's console goes when /serial names no file; standard output otherwise. Taken over.</summary>
    public FileDescriptor? Console { get; init; }

    /// <summary>Ready to run and paused: <see cref="MicroVm.Resume"/> starts it. On the loop, or before it runs.</summary>
    /// <exception cref="VmmFaultException">Something named in the configuration is not right; nothing is left behind.</exception>
    public MicroVm Build(VmResources resources)
    {
        var parts = new MicroVmParts(loop, ended);
        var vcpus = new List<Vcpu>();
        try
        {
            return Build(resources, parts, vcpus);
        }
        catch (Exception e)
        {
            foreach (var vcpu in vcpus) vcpu.Dispose();
            parts.Dispose();
            if (e is LinuxException linux) throw new VmmFaultException(linux.Message, linux);
            throw;
        }
    }

    private MicroVm Build(VmResources resources, MicroVmParts parts, List<Vcpu> vcpus)
    {
        var source = resources.BootSource
            ?? throw new VmmFaultException("There is no kernel to boot. PUT /boot-source with kernel_image_path first.");
        var memory = parts.Own(AllocateMemory(resources.Machine));
        var kernel = Boot.Kernel.Load(source.KernelImagePath, memory);
        var initrd = source.InitrdPath is { } path ? Initrd.Load(path, memory, kernel) : null;

        using var kvm = KvmDevice.Open();
        var vm = parts.Own(CreateVm(kvm, memory, resources.Machine));
        MicroVm? machine = null;
        void OnEnd(GuestEnd end) => machine!.OnEnd(end);

        var slots = VirtioSlot.For(0);
        var ports = new IoBus(AddLegacy(resources, parts, vm, () => OnEnd(GuestEnd.Reset("i8042 reset line"))));
        var mmio = new IoBus(AddMmio());

        CommandLine.Write(memory, CommandLine.Compose(source, resources.Drives, slots), kernel);
        ZeroPage.Write(memory, kernel, initrd);
        if (kernel.Protocol == BootProtocol.Pvh) PvhStartInfo.Write(memory, initrd);

        var cpuid = kvm.SupportedCpuid();
        for (var i = 0; i < resources.Machine.VcpuCount; i++)
        {
            var vcpu = vm.CreateVcpu((uint)i);
            vcpus.Add(new(i, vcpu, ports, mmio, OnEnd));
            vcpu.SetCpuid(cpuid);
            if (i == 0) BootRegisters.Set(vcpu, memory, kernel);
        }

        machine = new(parts, vcpus);
        foreach (var vcpu in vcpus) vcpu.Start();
        return machine;
    }

    private static GuestMemory AllocateMemory(MachineConfiguration machine)
    {
        try
        {
            return MemoryLayout.Allocate((ulong)machine.MemSizeMib << 20, machine.HugePages == HugePages.TwoMib);
        }
        catch (LinuxException e)
        {
            throw new VmmFaultException($"mem_size_mib: {machine.MemSizeMib} MiB cannot be had. {e.Message}", e);
        }
    }

    private static KvmVm CreateVm(KvmDevice kvm, GuestMemory memory, MachineConfiguration machine)
    {
        var vm = kvm.CreateVm();
        try
        {
            vm.SetIdentityMapAddress(MemoryLayout.KvmIdentityMap);
            vm.SetTssAddress(MemoryLayout.KvmTss);
            for (var i = 0; i < memory.Regions.Count; i++)
                vm.SetMemory((uint)i, memory.Regions[i].Start.Value, memory.Regions[i].Mapping, machine.TrackDirtyPages);
            vm.CreateInterruptController();
            vm.CreateTimer();
            return vm;
        }
        catch
        {
            vm.Dispose();
            throw;
        }
    }

    private IEnumerable<BusRange> AddLegacy(VmResources resources, MicroVmParts parts, KvmVm vm, Action reset)
    {
        var serialInterrupt = parts.Own(new EventFd());
        vm.ConnectInterrupt(serialInterrupt, MemoryLayout.SerialGsi);
        var keyboardInterrupt = parts.Own(new EventFd());
        vm.ConnectInterrupt(keyboardInterrupt, MemoryLayout.KeyboardGsi);

        parts.Console = parts.Own(new SerialOutput(OpenConsole(resources.Serial), loop));
        parts.Keyboard = new I8042(keyboardInterrupt, reset);
        yield return new(SerialPort.Port, SerialPort.Ports, new SerialPort(parts.Console, serialInterrupt));
        yield return new(I8042.Port, I8042.Ports, parts.Keyboard);
    }

    private IEnumerable<BusRange> AddMmio()
    {
        if (BootTimerStart is { } start && Booted is { } booted)
            yield return new(MemoryLayout.BootTimer, BootTimer.Length, new BootTimer(start, booted));
    }

    private FileDescriptor OpenConsole(Serial? serial)
    {
        if (serial?.SerialOutPath is not { } path) return Console ?? FileDescriptor.Duplicate(1);
        try
        {
            // Read and write, so that opening a named pipe does not wait for its reader.
            return FileDescriptor.Open(path, LibC.O_RDWR | LibC.O_CREAT | LibC.O_NONBLOCK);
        }
        catch (LinuxException e)
        {
            throw new VmmFaultException($"serial_out_path: {e.Message} Name a file that this process can write.", e);
        }
    }
}

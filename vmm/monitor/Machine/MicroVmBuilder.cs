using RunnerVm.Vmm.Monitor.Boot;
using RunnerVm.Vmm.Monitor.Boot.Acpi;
using RunnerVm.Vmm.Monitor.Bus;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Devices.Legacy;
using RunnerVm.Vmm.Monitor.Devices.Virtio;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Net;
using RunnerVm.Vmm.Monitor.Machine.Cpu;
using RunnerVm.Vmm.Monitor.RateLimiting;
using RunnerVm.Vmm.Monitor.Snapshots;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Kvm;
using RunnerVm.Vmm.Native.Libc;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Machine;

/// <summary>Builds a machine out of what was configured. The order here is the order in which KVM wants things.</summary>
/// <param name="loop">Where the machine lives from now on.</param>
/// <param name="ended">Called once, on the loop, when the guest is over.</param>
internal sealed partial class MicroVmBuilder(EventLoop loop, Action<GuestEnd> ended)
{
    /// <summary>A time stamp of <see cref="System.Diagnostics.Stopwatch"/>, when a boot timer is wanted (--boot-timer).</summary>
    public long? BootTimerStart { get; init; }

    /// <summary>Called on a vCPU when the guest says that it is up.</summary>
    public Action<TimeSpan>? Booted { get; init; }

    /// <summary>Where the guest's console goes when /serial names no file; standard output otherwise. Taken over.</summary>
    public FileDescriptor? Console { get; init; }

    /// <summary>Who answers on an interface beside the host's network (the metadata service); null for nobody.</summary>
    public Func<NetworkInterface, IFrameResponder?> Responder { get; init; } = static _ => null;

    /// <summary>Called on each vCPU's thread once, before the guest first runs there.</summary>
    public Action? ConfineVcpu { get; init; }

    /// <summary>What is typed on the guest's console; null: nobody types. Taken over.</summary>
    public FileDescriptor? Input { get; init; }

    /// <summary>Made while nobody knew yet what the machine will be; null: it is made now. Taken over.</summary>
    public BareMachine? Bare { get; init; }

    /// <summary>Devices beside those of the configuration, behind them: the tests bring some.</summary>
    public IReadOnlyList<Func<GuestMemory, IVirtioDevice>> OtherDevices { get; init; } = [];

    /// <summary>Ready to run and paused: <see cref="MicroVm.Resume"/> starts it. On the loop, or before it runs.</summary>
    /// <exception cref="VmmFaultException">Something named in the configuration is not right; nothing is left behind.</exception>
    public MicroVm Build(VmResources resources) => Build((parts, vcpus) => Build(resources, parts, vcpus));

    private MicroVm Build(Func<MicroVmParts, List<Vcpu>, MicroVm> build)
    {
        var parts = new MicroVmParts(loop, ended);
        var vcpus = new List<Vcpu>();
        try
        {
            return build(parts, vcpus);
        }
        catch (Exception e)
        {
            foreach (var vcpu in vcpus) vcpu.Dispose();
            parts.Dispose();
            Bare?.Dispose();
            if (e is LinuxException linux) throw new VmmFaultException(linux.Message, linux);
            throw;
        }
    }

    private MicroVm Build(VmResources resources, MicroVmParts parts, List<Vcpu> vcpus)
    {
        var source = resources.BootSource
            ?? throw new VmmFaultException("There is no kernel to boot. PUT /boot-source with kernel_image_path first.");
        var template = new CpuTemplate(resources.Cpu);
        using var bare = TakeBare(template);
        var memory = parts.Memory = parts.Own(AllocateMemory(resources.Machine));
        var kernel = Boot.Kernel.Load(source.KernelImagePath, memory);
        var initrd = source.InitrdPath is { } path ? Initrd.Load(path, memory, kernel) : null;

        var legacy = AddDevices(bare, resources, parts);
        var line = CommandLine.Compose(source, resources.Drives, parts.Virtio.Slots);
        WriteBootData(memory, kernel, initrd, line, resources.Machine.VcpuCount, parts.Virtio.Slots);
        CreateVcpus(bare, template, resources.Machine, new(legacy), new([.. parts.Virtio.Ranges, .. AddBootTimer()]), parts, vcpus);
        BootRegisters.Set(vcpus[0].Kvm, memory, kernel);

        var machine = new MicroVm(parts, vcpus);
        foreach (var vcpu in vcpus) vcpu.Start();
        return machine;
    }

    /// <returns>Who answers at ports.</returns>
    private List<BusRange> AddDevices(BareMachine bare, VmResources resources, MicroVmParts parts)
    {
        var vm = parts.Vm = parts.Own(bare.TakeVm());
        for (var i = 0; i < parts.Memory.Regions.Count; i++)
            vm.SetMemory((uint)i, parts.Memory.Regions[i].Start.Value, parts.Memory.Regions[i].Mapping, resources.Machine.TrackDirtyPages);
        vm.CreateInterruptController(); // After the memory: see BareMachine.
        vm.CreateTimer();
        var legacy = AddLegacy(resources, parts, vm).ToList();
        parts.Virtio = parts.Own(new VirtioDevices());
        parts.Virtio.Add(resources, OtherDevices, new(vm, parts.Memory, loop, e => parts.End(new(GuestEnd.DeviceBroken, e.Message)), Responder));
        return legacy;
    }

    private BareMachine TakeBare(CpuTemplate template)
    {
        Bare?.MustHave(template);
        return Bare ?? new(template);
    }

    private static void WriteBootData(GuestMemory memory, Boot.Kernel kernel, Initrd? initrd, string line, int vcpus, IReadOnlyList<VirtioSlot> slots)
    {
        CommandLine.Write(memory, line, kernel);
        AcpiTables.Write(memory, vcpus, slots);
        MpTable.Write(memory, vcpus);
        ResetVector.Write(memory);
        if (kernel.Protocol == BootProtocol.Pvh) PvhStartInfo.Write(memory, initrd);
        else ZeroPage.Write(memory, kernel, initrd);
    }

    private void CreateVcpus(
        BareMachine bare, CpuTemplate template, MachineConfiguration machine, IoBus ports, IoBus mmio, MicroVmParts parts, List<Vcpu> vcpus)
    {
        var cpuid = CpuidFor(bare, machine);
        parts.Support = SnapshotSupport.Of(bare.Kvm, cpuid.ToArray());
        template.Apply(cpuid);
        for (var i = 0; i < machine.VcpuCount; i++)
        {
            var vcpu = parts.Vm.CreateVcpu((uint)i);
            vcpus.Add(new(i, vcpu, bare.TakeThread(i), ports, mmio, parts.End, ConfineVcpu));
            vcpu.SetCpuid(GuestCpuid.ForVcpu(cpuid, i));
            GuestMsrs.Set(vcpu);
            template.Apply(vcpu);
            LocalApicPins.Set(vcpu);
        }
    }

    private static kvm_cpuid_entry2[] CpuidFor(BareMachine bare, MachineConfiguration machine) => new GuestCpuid(
        bare.SupportedCpuid, new(machine.VcpuCount, machine.Smt), bare.Kvm.CheckExtension(KvmApi.KVM_CAP_TSC_DEADLINE_TIMER) > 0).Common;

    private static GuestMemory AllocateMemory(MachineConfiguration machine)
    {
        try
        {
            return MemoryLayout.Allocate((ulong)machine.MemSizeMib << 20, machine.HugePages == HugePages.TwoMib, machine.TrackDirtyPages);
        }
        catch (LinuxException e)
        {
            throw new VmmFaultException($"mem_size_mib: {machine.MemSizeMib} MiB cannot be had. {e.Message}", e);
        }
    }

    private IEnumerable<BusRange> AddLegacy(VmResources resources, MicroVmParts parts, KvmVm vm)
    {
        var serialInterrupt = parts.Own(new EventFd());
        vm.ConnectInterrupt(serialInterrupt, MemoryLayout.SerialGsi);
        var keyboardInterrupt = parts.Own(new EventFd());
        vm.ConnectInterrupt(keyboardInterrupt, MemoryLayout.KeyboardGsi);

        parts.Console = parts.Own(new SerialOutput(OpenConsole(resources.Serial), loop, TokenBucket.Of(resources.Serial?.RateLimiter, TimeProvider.System)));
        parts.Serial = new SerialPort(parts.Console, serialInterrupt);
        parts.Keyboard = new I8042(keyboardInterrupt, () => parts.End(GuestEnd.Reset("i8042 reset line")));
        if (Input is { } input) parts.Own(new SerialInput(input, parts.Serial, loop));
        yield return new(SerialPort.Port, SerialPort.Ports, parts.Serial);
        yield return new(I8042.Port, I8042.Ports, parts.Keyboard);
        yield return new(AcpiSleep.Port, AcpiSleep.Ports, new AcpiSleep(() => parts.End(GuestEnd.Off)));
    }

    private IEnumerable<BusRange> AddBootTimer()
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

using RunnerVm.Vmm.Monitor.Boot;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Machine.Cpu;
using RunnerVm.Vmm.Monitor.Snapshots;
using RunnerVm.Vmm.Native.Kvm;

namespace RunnerVm.Vmm.Monitor.Machine;

// A machine out of a snapshot: made as one that boots, then given what the other had. Nothing is written for the guest.
internal sealed partial class MicroVmBuilder
{
    /// <summary>As it stood, paused. On the loop, or before it runs.</summary>
    /// <exception cref="VmmFaultException">The snapshot is not whole or not for this host, or something it needs is not here; nothing is left behind.</exception>
    public MicroVm Restore(SavedMachine saved) => Build((parts, vcpus) => saved.Naming(() => Restore(saved, parts, vcpus)));

    private MicroVm Restore(SavedMachine saved, MicroVmParts parts, List<Vcpu> vcpus)
    {
        var resources = saved.Resources;
        using var bare = TakeBare(new CpuTemplate(null));
        var memory = parts.Own(MemoryFile.Map(saved.Load.MemFilePath, resources.Machine));
        parts.Memory = memory;
        var legacy = AddDevices(bare, resources, parts);
        parts.Support = SnapshotSupport.Of(bare.Kvm, CpuidFor(bare, resources.Machine));

        var state = saved.Records;
        var support = parts.Support with { SavedCpuid = SavedMachine.ReadHost(ref state) };
        var (ports, mmio) = (new Bus.IoBus(legacy), new Bus.IoBus([.. parts.Virtio.Ranges]));
        for (var i = 0; i < resources.Machine.VcpuCount; i++)
        {
            var vcpu = parts.Vm.CreateVcpu((uint)i);
            vcpus.Add(new(i, vcpu, bare.TakeThread(i), ports, mmio, parts.End, ConfineVcpu));
            SavedVcpu.Restore(vcpu, support, ref state);
        }

        SavedChips.Restore(parts.Vm, saved.Load.ClockRealtime, ref state);
        parts.Serial.Restore(ref state);
        parts.Keyboard.Restore(ref state);
        // Last: what a device has to say to its driver is an interrupt, and the controllers take it from now on.
        parts.Virtio.Restore(ref state);
        state.End("the snapshot");

        var machine = new MicroVm(parts, vcpus);
        foreach (var vcpu in vcpus) vcpu.Start();
        return machine;
    }
}

using RunnerVm.Vmm.Native.Kvm;

namespace RunnerVm.Vmm.Monitor.Snapshots;

/// <summary>What KVM holds for the machine as a whole: interrupt controllers, interval timer, clock.</summary>
internal static class SavedChips
{
    private const byte Version = 1;
    private static readonly uint[] Controllers = [KvmApi.KVM_IRQCHIP_PIC_MASTER, KvmApi.KVM_IRQCHIP_PIC_SLAVE, KvmApi.KVM_IRQCHIP_IOAPIC];

    public static void Save(KvmVm vm, StateWriter into) => into.Record(StateRecord.Machine, Version, record =>
    {
        record.Number(vm.Clock);
        record.Number(vm.Timer);
        foreach (var controller in Controllers) record.Number(vm.GetInterruptController(controller));
    });

    /// <summary>After the vCPUs: their registers say where the guest reads the clock, and their APICs take what the controllers send.</summary>
    /// <param name="realtime">The clock goes on by the time that has passed since.</param>
    public static void Restore(KvmVm vm, bool realtime, ref StateReader from)
    {
        var record = from.Record(StateRecord.Machine, Version);
        var clock = record.Number<kvm_clock_data>();
        if (realtime && (clock.flags & KvmApi.KVM_CLOCK_REALTIME) == 0)
            throw new BadStateException("was taken where KVM does not note the time of day (Linux before 5.16). Leave clock_realtime out.");
        clock.flags = realtime ? KvmApi.KVM_CLOCK_REALTIME : 0;
        var timer = record.Number<kvm_pit_state2>();
        vm.Timer = timer;
        vm.Clock = clock;
        foreach (var controller in Controllers)
        {
            var state = record.Number<kvm_irqchip>();
            if (state.chip_id != controller) throw BadStateException.Damaged($"interrupt controller {state.chip_id} stands where {controller} is expected");
            vm.SetInterruptController(state);
        }

        record.End("the machine");
    }
}

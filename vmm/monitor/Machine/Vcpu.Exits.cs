using RunnerVm.Vmm.Native.Kvm;

namespace RunnerVm.Vmm.Monitor.Machine;

// What to do when the guest needs us. Nothing here allocates until the guest is over.
internal sealed partial class Vcpu
{
    /// <returns>Null to go on.</returns>
    private GuestEnd? Handle(uint exit)
    {
        switch (exit)
        {
            case KvmApi.KVM_EXIT_IO:
                AccessPort();
                return null;
            case KvmApi.KVM_EXIT_MMIO:
                AccessMmio();
                return null;
            // With the local APICs in the kernel a halted CPU waits there; KVM_EXIT_INTR comes with EINTR only.
            case KvmApi.KVM_EXIT_HLT or KvmApi.KVM_EXIT_INTR:
                return null;
            case KvmApi.KVM_EXIT_SHUTDOWN:
                return GuestEnd.Reset($"triple fault on vCPU {Index}");
            case KvmApi.KVM_EXIT_SYSTEM_EVENT:
                return SystemEvent();
            case KvmApi.KVM_EXIT_FAIL_ENTRY:
                var failed = _kvm.FailedEntry;
                return Failed($"the processor refused to enter the guest (reason 0x{failed.hardware_entry_failure_reason:x})");
            case KvmApi.KVM_EXIT_INTERNAL_ERROR:
                return InternalError();
            default:
                return Failed($"KVM left the guest for reason {exit}, which we never asked for");
        }
    }

    /// <summary>One element, or many for the string instructions: each goes to the same port.</summary>
    private void AccessPort()
    {
        var io = _kvm.IoExit;
        var data = _kvm.IoData(io);
        if (io.direction == KvmApi.KVM_EXIT_IO_OUT) Counters.PortWrites++;
        else Counters.PortReads++;
        for (var i = 0; i < io.count; i++)
        {
            var element = data.Slice(i * io.size, io.size);
            if (io.direction == KvmApi.KVM_EXIT_IO_OUT) _ports.Write(io.port, element);
            else _ports.Read(io.port, element);
        }
    }

    private void AccessMmio()
    {
        var mmio = _kvm.MmioExit;
        var data = _kvm.MmioData(mmio);
        if (mmio.is_write != 0)
        {
            Counters.MmioWrites++;
            _mmio.Write(mmio.phys_addr, data);
        }
        else
        {
            Counters.MmioReads++;
            _mmio.Read(mmio.phys_addr, data);
        }
    }

    private GuestEnd SystemEvent() => _kvm.SystemEvent.type switch
    {
        KvmApi.KVM_SYSTEM_EVENT_SHUTDOWN => GuestEnd.Off,
        KvmApi.KVM_SYSTEM_EVENT_RESET => GuestEnd.Reset("by a system event"),
        var type => Failed($"system event {type}"),
    };

    private GuestEnd InternalError()
    {
        var error = _kvm.InternalError;
        var what = error.suberror switch
        {
            KvmApi.KVM_INTERNAL_ERROR_EMULATION => "KVM could not emulate an instruction of the guest",
            KvmApi.KVM_INTERNAL_ERROR_SIMUL_EX => "the guest's exception handlers fault again and again",
            KvmApi.KVM_INTERNAL_ERROR_DELIVERY_EV => "an exit came while an event was delivered",
            KvmApi.KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON => "KVM does not know the processor's reason to leave the guest",
            var other => $"internal error {other} of KVM",
        };
        return Failed(what);
    }

    private GuestEnd Failed(string why)
    {
        Counters.Failures++;
        return new(GuestEnd.KvmFailed, $"vCPU {Index} stopped at 0x{_kvm.Registers.rip:x}: {why}.");
    }
}

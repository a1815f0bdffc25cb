using System.Runtime.InteropServices;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Kvm;

// Registers of every kind.
internal sealed partial class KvmVcpu
{
    public kvm_sregs SystemRegisters
    {
        get => Get<kvm_sregs>(KvmApi.KVM_GET_SREGS, "the system registers");
        set => Set(KvmApi.KVM_SET_SREGS, value, "the system registers");
    }

    public kvm_regs Registers
    {
        get => Get<kvm_regs>(KvmApi.KVM_GET_REGS, "the registers");
        set => Set(KvmApi.KVM_SET_REGS, value, "the registers");
    }

    public kvm_fpu FloatingPoint
    {
        get => Get<kvm_fpu>(KvmApi.KVM_GET_FPU, "the floating point registers");
        set => Set(KvmApi.KVM_SET_FPU, value, "the floating point registers");
    }

    public kvm_lapic_state LocalApic
    {
        get => Get<kvm_lapic_state>(KvmApi.KVM_GET_LAPIC, "the local APIC");
        set => Set(KvmApi.KVM_SET_LAPIC, value, "the local APIC");
    }

    /// <summary>KVM_MP_STATE_*.</summary>
    public uint MultiprocessingState
    {
        get => Get<kvm_mp_state>(KvmApi.KVM_GET_MP_STATE, "the multiprocessing state").mp_state;
        set => Set(KvmApi.KVM_SET_MP_STATE, new kvm_mp_state { mp_state = value }, "the multiprocessing state");
    }

    /// <summary>What <see cref="SetCpuid"/> set last.</summary>
    public IReadOnlyList<kvm_cpuid_entry2> Cpuid { get; private set; } = [];

    /// <summary>What CPUID shows the guest; before it runs.</summary>
    public unsafe void SetCpuid(ReadOnlySpan<kvm_cpuid_entry2> entries)
    {
        var bytes = new byte[sizeof(kvm_cpuid2) + (entries.Length * sizeof(kvm_cpuid_entry2))];
        MemoryMarshal.Write(bytes, new kvm_cpuid2 { nent = (uint)entries.Length });
        MemoryMarshal.AsBytes(entries).CopyTo(bytes.AsSpan(sizeof(kvm_cpuid2)));
        using var fd = _fd.Borrow();
        // SAFETY: the array is pinned for the call and holds as many entries as its head says.
        fixed (byte* argument = bytes)
        {
            if (LibC.ioctl(fd.Fd, KvmApi.KVM_SET_CPUID2, argument) != 0) throw LinuxException.Last("set the CPUID of a virtual CPU");
        }

        Cpuid = entries.ToArray();
    }

    /// <summary>Fills in the data of each; returns how many KVM knew: it stops at the first it does not.</summary>
    public int GetMsrs(Span<kvm_msr_entry> msrs) => Msrs(KvmApi.KVM_GET_MSRS, msrs, "read");

    /// <summary>Returns how many KVM took: it stops at the first it does not.</summary>
    public int SetMsrs(ReadOnlySpan<kvm_msr_entry> msrs) => Msrs(KvmApi.KVM_SET_MSRS, msrs.ToArray(), "set");

    private unsafe int Msrs(nuint request, Span<kvm_msr_entry> msrs, string verb)
    {
        var bytes = new byte[sizeof(kvm_msrs) + (msrs.Length * sizeof(kvm_msr_entry))];
        MemoryMarshal.Write(bytes, new kvm_msrs { nmsrs = (uint)msrs.Length });
        MemoryMarshal.AsBytes(msrs).CopyTo(bytes.AsSpan(sizeof(kvm_msrs)));
        using var fd = _fd.Borrow();
        int count;
        // SAFETY: the array is pinned for the call and holds as many entries as its head says.
        fixed (byte* argument = bytes) count = LibC.ioctl(fd.Fd, request, argument);
        if (count < 0) throw LinuxException.Last($"{verb} model specific registers of a virtual CPU");
        bytes.AsSpan(sizeof(kvm_msrs)).CopyTo(MemoryMarshal.AsBytes(msrs));
        return count;
    }
}

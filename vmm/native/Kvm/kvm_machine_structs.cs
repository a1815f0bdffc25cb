using System.Runtime.CompilerServices;

namespace RunnerVm.Vmm.Native.Kvm;

// More of linux/kvm.h: interrupts, clock, CPUID, MSRs. Those with a flexible array are the head only.

[InlineArray(15)]
internal struct kvm_pit_config_padding
{
    private uint _element;
}

internal struct kvm_pit_config
{
    public uint flags;
    public kvm_pit_config_padding pad;
}

[InlineArray(16)]
internal struct kvm_irqfd_padding
{
    private byte _element;
}

/// <summary>An eventfd that interrupts the guest.</summary>
internal struct kvm_irqfd
{
    public uint fd;
    public uint gsi;
    public uint flags;
    public uint resamplefd;
    public kvm_irqfd_padding pad;
}

[InlineArray(36)]
internal struct kvm_ioeventfd_padding
{
    private byte _element;
}

/// <summary>An eventfd that counts the guest's writes.</summary>
internal struct kvm_ioeventfd
{
    public ulong datamatch;
    public ulong addr;
    public uint len;
    public int fd;
    public uint flags;
    public kvm_ioeventfd_padding pad;
}

[InlineArray(4)]
internal struct kvm_clock_data_padding
{
    private uint _element;
}

internal struct kvm_clock_data
{
    public ulong clock;
    public uint flags;
    public uint pad0;
    public ulong realtime;
    public ulong host_tsc;
    public kvm_clock_data_padding pad;
}

[InlineArray(3)]
internal struct kvm_cpuid_padding
{
    private uint _element;
}

internal struct kvm_cpuid_entry2
{
    public uint function;
    public uint index;
    public uint flags;
    public uint eax;
    public uint ebx;
    public uint ecx;
    public uint edx;
    public kvm_cpuid_padding padding;
}

internal struct kvm_cpuid2
{
    public uint nent;
    public uint padding;
}

internal struct kvm_msr_entry
{
    public uint index;
    public uint reserved;
    public ulong data;
}

internal struct kvm_msrs
{
    public uint nmsrs;
    public uint pad;
}

internal struct kvm_mp_state
{
    public uint mp_state;
}

/// <summary>KVM_APIC_REG_SIZE bytes: the local APIC's page, a register each 16 bytes.</summary>
[InlineArray(1024)]
internal struct kvm_lapic_registers
{
    private byte _element;
}

internal struct kvm_lapic_state
{
    public kvm_lapic_registers regs;
}

[InlineArray(128)]
internal struct kvm_fpu_registers
{
    private byte _element;
}

[InlineArray(256)]
internal struct kvm_xmm_registers
{
    private byte _element;
}

internal struct kvm_fpu
{
    public kvm_fpu_registers fpr;
    public ushort fcw;
    public ushort fsw;
    public byte ftwx;
    public byte pad1;
    public ushort last_opcode;
    public ulong last_ip;
    public ulong last_dp;
    public kvm_xmm_registers xmm;
    public uint mxcsr;
    public uint pad2;
}

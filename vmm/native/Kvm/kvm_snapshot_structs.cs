using System.Runtime.CompilerServices;

namespace RunnerVm.Vmm.Native.Kvm;

// More of linux/kvm.h: what a machine's state is made of beside its registers.

internal struct kvm_vcpu_events_exception
{
    public byte injected;
    public byte nr;
    public byte has_error_code;
    public byte pending;
    public uint error_code;
}

internal struct kvm_vcpu_events_interrupt
{
    public byte injected;
    public byte nr;
    public byte soft;
    public byte shadow;
}

internal struct kvm_vcpu_events_nmi
{
    public byte injected;
    public byte pending;
    public byte masked;
    public byte pad;
}

internal struct kvm_vcpu_events_smi
{
    public byte smm;
    public byte pending;
    public byte smm_inside_nmi;
    public byte latched_init;
}

internal struct kvm_vcpu_events_triple_fault
{
    public byte pending;
}

[InlineArray(26)]
internal struct kvm_vcpu_events_reserved
{
    private byte _element;
}

/// <summary>Exceptions, interrupts and NMIs on their way into a virtual CPU.</summary>
internal struct kvm_vcpu_events
{
    public kvm_vcpu_events_exception exception;
    public kvm_vcpu_events_interrupt interrupt;
    public kvm_vcpu_events_nmi nmi;
    public uint sipi_vector;
    public uint flags;
    public kvm_vcpu_events_smi smi;
    public kvm_vcpu_events_triple_fault triple_fault;
    public kvm_vcpu_events_reserved reserved;
    public byte exception_has_payload;
    public ulong exception_payload;
}

[InlineArray(4)]
internal struct kvm_debug_addresses
{
    private ulong _element;
}

[InlineArray(9)]
internal struct kvm_debugregs_reserved
{
    private ulong _element;
}

internal struct kvm_debugregs
{
    public kvm_debug_addresses db;
    public ulong dr6;
    public ulong dr7;
    public ulong flags;
    public kvm_debugregs_reserved reserved;
}

internal struct kvm_xcr
{
    public uint xcr;
    public uint reserved;
    public ulong value;
}

/// <summary>KVM_MAX_XCRS of them.</summary>
[InlineArray(16)]
internal struct kvm_xcr_array
{
    private kvm_xcr _element;
}

[InlineArray(16)]
internal struct kvm_xcrs_padding
{
    private ulong _element;
}

internal struct kvm_xcrs
{
    public uint nr_xcrs;
    public uint flags;
    public kvm_xcr_array xcrs;
    public kvm_xcrs_padding padding;
}

/// <summary>The union of the three controllers' states, each of its own layout; kept as the kernel gave it.</summary>
[InlineArray(512)]
internal struct kvm_irqchip_state
{
    private byte _element;
}

internal struct kvm_irqchip
{
    public uint chip_id;
    public uint pad;
    public kvm_irqchip_state chip;
}

internal struct kvm_pit_channel_state
{
    public uint count;
    public ushort latched_count;
    public byte count_latched;
    public byte status_latched;
    public byte status;
    public byte read_state;
    public byte write_state;
    public byte write_latch;
    public byte rw_mode;
    public byte mode;
    public byte bcd;
    public byte gate;
    public long count_load_time;
}

[InlineArray(3)]
internal struct kvm_pit_channels
{
    private kvm_pit_channel_state _element;
}

[InlineArray(9)]
internal struct kvm_pit_state2_reserved
{
    private uint _element;
}

internal struct kvm_pit_state2
{
    public kvm_pit_channels channels;
    public uint flags;
    public kvm_pit_state2_reserved reserved;
}

internal struct kvm_dirty_log
{
    public uint slot;
    public uint padding1;

    /// <summary>An address; the header's has a union around it.</summary>
    public ulong dirty_bitmap;
}

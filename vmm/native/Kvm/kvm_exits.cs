using System.Runtime.CompilerServices;

namespace RunnerVm.Vmm.Native.Kvm;

// The members of struct kvm_run's union, which begins at offset 32. They have no names of their own in the header.

/// <summary>KVM_EXIT_IO: <c>kvm_run.io</c>; the data lie at data_offset of the page, size * count bytes.</summary>
internal struct kvm_run_io
{
    public byte direction;
    public byte size;
    public ushort port;
    public uint count;
    public ulong data_offset;
}

/// <summary>KVM_EXIT_MMIO: <c>kvm_run.mmio</c>.</summary>
internal struct kvm_run_mmio
{
    public ulong phys_addr;
    public ulong data;
    public uint len;
    public byte is_write;
}

/// <summary>KVM_EXIT_FAIL_ENTRY: <c>kvm_run.fail_entry</c>.</summary>
internal struct kvm_run_fail_entry
{
    public ulong hardware_entry_failure_reason;
    public uint cpu;
}

[InlineArray(16)]
internal struct kvm_run_internal_data
{
    private ulong _element;
}

/// <summary>KVM_EXIT_INTERNAL_ERROR: <c>kvm_run.internal</c>.</summary>
internal struct kvm_run_internal
{
    public uint suberror;
    public uint ndata;
    public kvm_run_internal_data data;
}

/// <summary>KVM_EXIT_SYSTEM_EVENT: <c>kvm_run.system_event</c>, its head.</summary>
internal struct kvm_run_system_event
{
    public uint type;
    public uint ndata;
}

using System.Runtime.CompilerServices;

namespace RunnerVm.Vmm.Native.Kvm;

// linux/kvm.h and asm/kvm.h of x86-64. Sizes and offsets are proven against the C headers by a test.

/// <summary>A range of guest physical memory and where it lies in ours.</summary>
internal struct kvm_userspace_memory_region
{
    public uint slot;
    public uint flags;
    public ulong guest_phys_addr;
    public ulong memory_size;
    public ulong userspace_addr;
}

internal struct kvm_regs
{
    public ulong rax, rbx, rcx, rdx;
    public ulong rsi, rdi, rsp, rbp;
    public ulong r8, r9, r10, r11;
    public ulong r12, r13, r14, r15;
    public ulong rip, rflags;
}

/// <summary>A segment register with its hidden part.</summary>
internal struct kvm_segment
{
    public ulong @base;
    public uint limit;
    public ushort selector;
    public byte type;
    public byte present, dpl, db, s, l, g, avl;
    public byte unusable;
    public byte padding;
}

[InlineArray(3)]
internal struct kvm_dtable_padding
{
    private ushort _element;
}

internal struct kvm_dtable
{
    public ulong @base;
    public ushort limit;
    public kvm_dtable_padding padding;
}

/// <summary>KVM_NR_INTERRUPTS bits.</summary>
[InlineArray(4)]
internal struct kvm_interrupt_bitmap
{
    private ulong _element;
}

internal struct kvm_sregs
{
    public kvm_segment cs, ds, es, fs, gs, ss;
    public kvm_segment tr, ldt;
    public kvm_dtable gdt, idt;
    public ulong cr0, cr2, cr3, cr4, cr8;
    public ulong efer;
    public ulong apic_base;
    public kvm_interrupt_bitmap interrupt_bitmap;
}

[InlineArray(6)]
internal struct kvm_run_padding
{
    private byte _element;
}

/// <summary>The beginning of the page KVM shares for each virtual CPU; a union by exit reason follows at 32.</summary>
internal struct kvm_run
{
    public byte request_interrupt_window;
    public byte immediate_exit;
    public kvm_run_padding padding1;
    public uint exit_reason;
    public byte ready_for_interrupt_injection;
    public byte if_flag;
    public ushort flags;
    public ulong cr8;
    public ulong apic_base;
}

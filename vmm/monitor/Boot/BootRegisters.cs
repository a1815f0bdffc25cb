using RunnerVm.Vmm.Monitor.Machine;
using RunnerVm.Vmm.Native.Kvm;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Boot;

/// <summary>Registers, descriptor and page tables with which the first vCPU enters the kernel.</summary>
internal static class BootRegisters
{
    private const ulong ProtectionEnable = 1;
    private const ulong Paging = 1ul << 31;
    private const ulong PhysicalAddressExtension = 1 << 5;
    private const ulong LongModeEnable = 1 << 8;
    private const ulong LongModeActive = 1 << 10;
    private const ulong AlwaysSet = 2; // rflags, bit 1; interrupts are off.

    private const ulong PresentWritable = 3;
    private const ulong LargePage = 1 << 7;
    private const ulong PageBytes = 4096;

    /// <summary>Linux finds its own mappings; the first GiB holds kernel, zero page and command line.</summary>
    private const int MappedLargePages = 512;

    private static readonly kvm_segment Data = new()
    {
        limit = uint.MaxValue, selector = 0x18, type = 3, present = 1, db = 1, s = 1, g = 1,
    };

    public static void Set(KvmVcpu vcpu, GuestMemory memory, Kernel kernel)
    {
        var registers = vcpu.SystemRegisters;
        if (kernel.Protocol == BootProtocol.Pvh) EnterPvh(ref registers);
        else EnterLinux64(ref registers, memory);
        WriteDescriptors(ref registers, memory);
        vcpu.SystemRegisters = registers;
        vcpu.Registers = new()
        {
            rip = kernel.Entry,
            rflags = AlwaysSet,
            rsp = MemoryLayout.BootStack,
            rbp = MemoryLayout.BootStack,
            rsi = kernel.Protocol == BootProtocol.Linux64 ? MemoryLayout.ZeroPage : 0,
            rbx = kernel.Protocol == BootProtocol.Pvh ? MemoryLayout.PvhStartInfo : 0,
        };
        // As after FNINIT, with all SSE exceptions masked.
        vcpu.FloatingPoint = new() { fcw = 0x37f, mxcsr = 0x1f80 };
    }

    /// <summary>start_info.h: flat 32-bit segments, no paging, a 32-bit task state segment.</summary>
    private static void EnterPvh(ref kvm_sregs registers)
    {
        registers.cs = Data with { selector = 0x10, type = 11 };
        registers.cr0 = ProtectionEnable | (registers.cr0 & (1 << 4)); // Extension type: cannot be cleared.
        registers.cr4 = 0;
        registers.efer = 0;
        SetDataSegments(ref registers);
    }

    /// <summary>boot.rst: __BOOT_CS at 0x10, __BOOT_DS at 0x18, identity-mapped long mode.</summary>
    private static void EnterLinux64(ref kvm_sregs registers, GuestMemory memory)
    {
        registers.cs = Data with { selector = 0x10, type = 11, db = 0, l = 1 };
        SetDataSegments(ref registers);

        var (directory, pointers, entries) = (MemoryLayout.BootPageTables, MemoryLayout.BootPageTables + PageBytes, MemoryLayout.BootPageTables + (2 * PageBytes));
        memory.Write(new(directory), pointers | PresentWritable);
        memory.Write(new(pointers), entries | PresentWritable);
        for (var i = 0ul; i < MappedLargePages; i++)
            memory.Write(new(entries + (i * sizeof(ulong))), (i << 21) | LargePage | PresentWritable);

        registers.cr3 = directory;
        registers.cr4 |= PhysicalAddressExtension;
        registers.cr0 |= ProtectionEnable | Paging;
        registers.efer |= LongModeEnable | LongModeActive;
    }

    private static void SetDataSegments(ref kvm_sregs registers)
    {
        registers.ds = registers.es = registers.fs = registers.gs = registers.ss = Data;
        registers.tr = new() { limit = 0x67, selector = 0x20, type = 11, present = 1 };
    }

    /// <summary>The same segments once more as a table, for a kernel that reloads them before it has its own.</summary>
    private static void WriteDescriptors(ref kvm_sregs registers, GuestMemory memory)
    {
        kvm_segment[] segments = [default, default, registers.cs, registers.ds, registers.tr];
        for (var i = 0; i < segments.Length; i++) memory.Write(new(MemoryLayout.BootGdt + ((ulong)i * 8)), Descriptor(segments[i]));
        memory.Write(new(MemoryLayout.BootIdt), 0ul);
        registers.gdt = new() { @base = MemoryLayout.BootGdt, limit = (ushort)((segments.Length * 8) - 1) };
        registers.idt = new() { @base = MemoryLayout.BootIdt, limit = sizeof(ulong) - 1 };
    }

    /// <summary>Intel SDM volume 3, 3.4.5.</summary>
    private static ulong Descriptor(in kvm_segment segment)
    {
        ulong limit = segment.g != 0 ? segment.limit >> 12 : segment.limit;
        var access = segment.type | ((ulong)segment.s << 4) | ((ulong)segment.dpl << 5) | ((ulong)segment.present << 7);
        var flags = segment.avl | ((ulong)segment.l << 1) | ((ulong)segment.db << 2) | ((ulong)segment.g << 3);
        return (limit & 0xffff) | ((segment.@base & 0xff_ffff) << 16) | (access << 40) | ((limit >> 16 & 0xf) << 48) | (flags << 52)
            | ((segment.@base >> 24 & 0xff) << 56);
    }
}

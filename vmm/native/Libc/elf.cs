namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    public const uint PT_LOAD = 1;
    public const uint PT_PHDR = 6;
    public const uint PF_X = 1;
    public const uint PF_W = 2;
}

/// <summary>Elf64_Phdr, one part of a program.</summary>
internal struct Elf64_Phdr
{
    public uint p_type;
    public uint p_flags;
    public ulong p_offset;
    public ulong p_vaddr;
    public ulong p_paddr;
    public ulong p_filesz;
    public ulong p_memsz;
    public ulong p_align;
}

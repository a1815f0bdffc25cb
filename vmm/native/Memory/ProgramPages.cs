using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Memory;

/// <summary>The pages of this program's code, shared with all who run the same file.</summary>
internal static class ProgramPages
{
    /// <summary>
    /// Lets go of all of them. What is run again comes back from the page cache, 64 KiB at a touch; what only the start needed stays
    /// away.
    /// </summary>
    /// <remarks>
    /// Code alone, which nobody writes. Constants look as if nobody did either, but the runtime opens their page for a moment at its
    /// start and puts the cookie there that guards its stack frames: let go, the page comes back as it is in the file, with another
    /// cookie, and a thread that is in the midst of a guarded method takes its own frame for overrun and aborts without a word.
    /// </remarks>
    public static unsafe void Release()
    {
        // SAFETY: the kernel's own pointer to and count of the program's headers, which are mapped as long as the process lives.
        var headers = new ReadOnlySpan<Elf64_Phdr>((void*)LibC.getauxval(LibC.AT_PHDR), (int)LibC.getauxval(LibC.AT_PHNUM));
        ulong moved = 0;
        foreach (ref readonly var part in headers)
        {
            if (part.p_type == LibC.PT_PHDR) moved = LibC.getauxval(LibC.AT_PHDR) - part.p_vaddr;
            if (part.p_type != LibC.PT_LOAD || (part.p_flags & (LibC.PF_X | LibC.PF_W)) != LibC.PF_X) continue;
            // Whole pages within it: those at its ends may belong to a neighbour that is written.
            var (start, end) = (PageUp(moved + part.p_vaddr), (moved + part.p_vaddr + part.p_filesz) & ~(Page - 1));
            if (end > start) _ = LibC.madvise((nint)start, (nuint)(end - start), LibC.MADV_DONTNEED);
        }
    }

    private const ulong Page = 4096;

    private static ulong PageUp(ulong address) => (address + Page - 1) & ~(Page - 1);
}

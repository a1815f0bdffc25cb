using RunnerVm.Vmm.Monitor.Machine;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Boot;

/// <summary>struct boot_params for the 64-bit boot protocol (Documentation/arch/x86/zero-page.rst, boot.rst).</summary>
internal static class ZeroPage
{
    private const byte UnknownLoader = 0xff;
    private const byte LoadedHigh = 1;

    public static void Write(GuestMemory memory, Kernel kernel, Initrd? initrd)
    {
        var page = new GuestAddress(MemoryLayout.ZeroPage);
        memory.Write(page + 0x070, MemoryLayout.AcpiStart); // acpi_rsdp_addr

        // An ELF kernel brings no header; these are what any kernel checks.
        memory.Write(page + 0x1fe, (ushort)0xaa55);
        memory.Write(page + 0x202, "HdrS"u8);
        memory.Write(page + 0x230, 0x100_0000u); // kernel_alignment
        memory.Write(page + 0x211, LoadedHigh);
        if (kernel.SetupHeader is { } header) memory.Write(page + BzImage.SetupHeaderOffset, header);
        memory.Write(page + 0x210, UnknownLoader);
        memory.Write(page + 0x228, (uint)MemoryLayout.CommandLine);
        if (initrd is not null)
        {
            memory.Write(page + 0x218, (uint)initrd.Address);
            memory.Write(page + 0x21c, (uint)initrd.Length);
        }

        var map = MemoryMapEntry.Of(memory);
        memory.Write(page + 0x1e8, (byte)map.Count);
        for (var i = 0; i < map.Count; i++)
        {
            var entry = page + 0x2d0 + ((ulong)i * 20);
            memory.Write(entry, map[i].Start);
            memory.Write(entry + 8, map[i].Length);
            memory.Write(entry + 16, map[i].Type);
        }
    }
}

using RunnerVm.Vmm.Monitor.Machine;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Boot;

/// <summary>struct hvm_start_info, version 1 (Xen's public/arch-x86/hvm/start_info.h).</summary>
internal static class PvhStartInfo
{
    private const uint Magic = 0x336ec578;
    private const ulong MapEntryBytes = 24;

    public static void Write(GuestMemory memory, Initrd? initrd)
    {
        var info = new GuestAddress(MemoryLayout.PvhStartInfo);
        memory.Write(info, Magic);
        memory.Write(info + 4, 1u); // version
        if (initrd is not null)
        {
            memory.Write(info + 12, 1u); // nr_modules
            memory.Write(info + 16, MemoryLayout.PvhModules);
            memory.Write(new(MemoryLayout.PvhModules), initrd.Address);
            memory.Write(new(MemoryLayout.PvhModules + 8), initrd.Length);
        }

        memory.Write(info + 24, MemoryLayout.CommandLine);
        memory.Write(info + 32, MemoryLayout.AcpiStart); // rsdp_paddr
        memory.Write(info + 40, MemoryLayout.PvhMemoryMap);

        var map = MemoryMapEntry.Of(memory);
        memory.Write(info + 48, (uint)map.Count);
        for (var i = 0; i < map.Count; i++)
        {
            var entry = new GuestAddress(MemoryLayout.PvhMemoryMap + ((ulong)i * MapEntryBytes));
            memory.Write(entry, map[i].Start);
            memory.Write(entry + 8, map[i].Length);
            memory.Write(entry + 16, map[i].Type);
        }
    }
}

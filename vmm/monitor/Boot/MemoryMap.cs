using RunnerVm.Vmm.Monitor.Machine;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Boot;

/// <summary>One line of the memory map (ACPI 6.5, 15: INT 15h, E820h).</summary>
internal readonly record struct MemoryMapEntry(ulong Start, ulong Length, uint Type)
{
    private const uint Usable = 1;
    private const uint Reserved = 2;

    /// <summary>What the guest may use, and what it must leave alone: our tables below 1 MiB.</summary>
    public static IReadOnlyList<MemoryMapEntry> Of(GuestMemory memory)
    {
        var map = new List<MemoryMapEntry>
        {
            new(0, MemoryLayout.FirmwareStart, Usable),
            new(MemoryLayout.FirmwareStart, MemoryLayout.HighMemory - MemoryLayout.FirmwareStart, Reserved),
            new(MemoryLayout.HighMemory, MemoryLayout.LowMemoryEnd(memory) - MemoryLayout.HighMemory, Usable),
        };
        map.AddRange(memory.Regions.Skip(1).Select(static region => new MemoryMapEntry(region.Start.Value, region.Mapping.Length, Usable)));
        return map;
    }
}

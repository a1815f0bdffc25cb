using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Machine;

/// <summary>Where everything is in the guest's physical address space (drawn in vmm/DESIGN.md).</summary>
internal static class MemoryLayout
{
    // Below 1 MiB: what the boot protocols hand over. All of it is the guest's own once it runs.
    public const ulong BootGdt = 0x500;
    public const ulong BootIdt = 0x520;
    public const ulong PvhStartInfo = 0x6000;
    public const ulong PvhModules = 0x6040;
    public const ulong PvhMemoryMap = 0x6080;
    public const ulong ZeroPage = 0x7000;
    public const ulong BootStack = 0x8ff0;
    public const ulong BootPageTables = 0x9000;
    public const ulong CommandLine = 0x20000;

    /// <summary>With the zero byte at the end: what Linux takes on x86 (COMMAND_LINE_SIZE).</summary>
    public const int CommandLineBytes = 2048;

    /// <summary>The first address the guest must not treat as memory of its own, up to <see cref="HighMemory"/>.</summary>
    public const ulong FirmwareStart = 0x9fc00;

    /// <summary>Linux looks for the RSDP between 0xE0000 and 1 MiB at multiples of 16 (ACPI 6.5, 5.2.5.1).</summary>
    public const ulong AcpiStart = 0xe0000;

    /// <summary>F000:FFF0 in real mode.</summary>
    public const ulong ResetVector = 0xffff0;

    /// <summary>Where kernels go.</summary>
    public const ulong HighMemory = 0x10_0000;

    /// <summary>The hole below 4 GiB: devices, IOAPIC, local APICs, KVM's own pages. As large as Firecracker's.</summary>
    public const ulong HoleStart = 0xc000_0000;
    public const ulong HoleEnd = 0x1_0000_0000;

    public const ulong BootTimer = HoleStart;
    public const ulong VirtioStart = HoleStart + 0x1000;
    public const ulong VirtioLength = 0x1000;

    public const uint IoApic = 0xfec0_0000;
    public const uint LocalApic = 0xfee0_0000;

    /// <summary>Identity map page and, behind it, the three pages of the task state segment.</summary>
    public const uint KvmIdentityMap = 0xfffb_c000;
    public const uint KvmTss = 0xfffb_d000;

    /// <summary>Interrupt lines of virtio devices; below are the timer, keyboard, PIC cascade and serial port.</summary>
    public const uint FirstVirtioGsi = 5;
    public const uint LastVirtioGsi = 23;

    public const uint KeyboardGsi = 1;
    public const uint SerialGsi = 4;

    /// <summary>The guest's memory: one range up to the hole, the rest from 4 GiB on.</summary>
    /// <exception cref="Native.LinuxException">The host does not give as much.</exception>
    public static GuestMemory Allocate(ulong bytes, bool hugePages, bool trackWrites = false) =>
        Lay(bytes, trackWrites, (_, length) => MappedRegion.OfGuest(length, hugePages));

    /// <summary>The same, as a file has it: one range right behind the other.</summary>
    /// <exception cref="Native.LinuxException">It cannot be mapped.</exception>
    public static GuestMemory Map(FileDescriptor file, ulong bytes, bool trackWrites) =>
        Lay(bytes, trackWrites, (offset, length) => MappedRegion.OfGuestFile(file, offset, length));

    private static GuestMemory Lay(ulong bytes, bool trackWrites, Func<long, nuint, MappedRegion> map)
    {
        var low = Math.Min(bytes, HoleStart);
        var regions = new List<GuestRegion>();
        try
        {
            regions.Add(new(new(0), map(0, (nuint)low)));
            if (bytes > low) regions.Add(new(new(HoleEnd), map((long)low, (nuint)(bytes - low))));
            return new(regions, trackWrites);
        }
        catch
        {
            foreach (var region in regions) region.Mapping.Dispose();
            throw;
        }
    }

    /// <summary>The address behind the lower range of memory.</summary>
    public static ulong LowMemoryEnd(GuestMemory memory) => memory.Regions[0].End;
}

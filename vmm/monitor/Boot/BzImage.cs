using System.Buffers.Binary;
using RunnerVm.Vmm.Monitor.Machine;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Boot;

/// <summary>A bzImage: a header that speaks for it, and the protected-mode kernel that unpacks itself (boot.rst).</summary>
internal static class BzImage
{
    /// <summary>Of the header in the file, and in the zero page.</summary>
    public const int SetupHeaderOffset = 0x1f1;

    private const int MagicOffset = 0x202;
    private const uint Magic = 0x53726448; // HdrS
    private const int HeaderBytes = 0x268;
    private const int SectorBytes = 512;

    /// <summary>The first with a 64-bit entry point.</summary>
    private const ushort OldestProtocol = 0x20c;
    private const byte LoadedHigh = 1;
    private const ushort Has64BitEntry = 1;

    /// <summary>Behind the beginning of the protected-mode kernel.</summary>
    private const ulong Entry64 = 0x200;

    public static bool Recognizes(BootFile file) => file.Length >= MagicOffset + sizeof(uint) && file.Read<uint>(MagicOffset) == Magic;

    public static Kernel Load(BootFile file, GuestMemory memory)
    {
        var head = new byte[HeaderBytes];
        file.Read(0, head);
        var protocol = Word(head, 0x206);
        if (protocol < OldestProtocol || (Word(head, 0x236) & Has64BitEntry) == 0 || (head[0x211] & LoadedHigh) == 0)
            throw file.Fault($"is a bzImage without a 64-bit entry point (boot protocol {protocol >> 8}.{protocol & 0xff:00})", "Name a kernel for x86-64, 3.8 or newer.");

        var setupSectors = head[SetupHeaderOffset] == 0 ? 4 : head[SetupHeaderOffset];
        var start = (long)(setupSectors + 1) * SectorBytes;
        var length = file.Length - start;
        if (length <= 0) throw file.Fault("is cut off: there is nothing behind its header", "Copy it again.");
        if (Double(head, 0x1f4) * 16L > length + 15) throw file.Fault($"is cut off: its header speaks of {Double(head, 0x1f4) * 16L} bytes, {length} are there", "Copy it again.");

        var address = MemoryLayout.HighMemory;
        var room = MemoryLayout.LowMemoryEnd(memory);
        // It unpacks itself to where it prefers to be and needs init_size bytes there.
        var preferred = Math.Max(BinaryPrimitives.ReadUInt64LittleEndian(head.AsSpan(0x258)), address);
        var end = Math.Max(address + (ulong)length, preferred + Double(head, 0x260));
        if (preferred > room || end > room)
            throw file.Fault($"needs memory up to 0x{end:x} to unpack itself; the guest's ends at 0x{room:x}", "Raise mem_size_mib.");

        file.Load(start, length, memory, new(address));
        return new(BootProtocol.Linux64, address + Entry64, end)
        {
            SetupHeader = SetupHeader(head),
            CommandLineBytes = (int)Math.Min(MemoryLayout.CommandLineBytes, Double(head, 0x238) + 1L),
        };
    }

    /// <summary>As long as it says itself: the second byte of the jump at 0x200 (boot.rst, "64-bit Boot Protocol").</summary>
    private static byte[] SetupHeader(ReadOnlySpan<byte> head) =>
        head[SetupHeaderOffset..Math.Min(MagicOffset + head[0x201], HeaderBytes)].ToArray();

    private static ushort Word(ReadOnlySpan<byte> head, int offset) => BinaryPrimitives.ReadUInt16LittleEndian(head[offset..]);

    private static uint Double(ReadOnlySpan<byte> head, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(head[offset..]);
}

using System.Buffers.Binary;
using RunnerVm.Vmm.Monitor.Machine;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Boot;

/// <summary>An ELF64 kernel: its segments go to their physical addresses (System V ABI, chapter 5; its x86-64 supplement).</summary>
internal static class ElfKernel
{
    private const byte Class64 = 2;
    private const byte LittleEndian = 1;
    private const ushort Executable = 2;
    private const ushort MachineX86 = 62;
    private const uint LoadSegment = 1;
    private const uint NoteSegment = 4;
    private const int MostSegments = 64;
    private const int MostNoteBytes = 64 * 1024;

    /// <summary>XEN_ELFNOTE_PHYS32_ENTRY (Xen's public/elfnote.h).</summary>
    private const uint PvhEntryNote = 18;

    public static Kernel Load(BootFile file, GuestMemory memory)
    {
        var header = file.Read<ElfHeader>(0);
        if (header.Class != Class64 || header.Data != LittleEndian || header.Machine != MachineX86 || header.Type != Executable)
            throw file.Fault("is an ELF file, but no executable for x86-64", "Name an uncompressed kernel (vmlinux) for x86-64.");
        if (header.SegmentSize != 56 || header.SegmentCount is 0 or > MostSegments)
            throw file.Fault($"has {header.SegmentCount} program headers of {header.SegmentSize} bytes", "Name an uncompressed kernel (vmlinux) for x86-64.");

        ulong? pvhEntry = null;
        var (end, entryLoaded) = (0ul, false);
        for (var i = 0; i < header.SegmentCount; i++)
        {
            var segment = file.Read<ElfSegment>((long)header.Segments + (i * header.SegmentSize));
            if (segment.Type == NoteSegment) pvhEntry ??= FindPvhEntry(file, segment);
            if (segment.Type != LoadSegment || segment.MemorySize == 0) continue;
            LoadOne(file, segment, memory);
            end = Math.Max(end, segment.PhysicalAddress + segment.MemorySize);
            var entry = header.Entry;
            entryLoaded |= entry >= segment.PhysicalAddress && entry - segment.PhysicalAddress < segment.FileSize;
        }

        if (end == 0) throw file.Fault("has no segment to load", "Name an uncompressed kernel (vmlinux) for x86-64.");
        if (pvhEntry is { } address) return new(BootProtocol.Pvh, address, end);
        return entryLoaded
            ? new(BootProtocol.Linux64, header.Entry, end)
            : throw file.Fault($"begins at 0x{header.Entry:x}, where it loads nothing", "Name an uncompressed kernel (vmlinux) for x86-64.");
    }

    private static void LoadOne(BootFile file, in ElfSegment segment, GuestMemory memory)
    {
        var lowEnd = MemoryLayout.LowMemoryEnd(memory);
        if (segment.FileSize > segment.MemorySize)
            throw file.Fault("has a segment that is longer in the file than in memory", "Copy it again.");
        if (segment.PhysicalAddress < MemoryLayout.HighMemory)
            throw file.Fault($"wants to be at 0x{segment.PhysicalAddress:x}, below 1 MiB, where the boot data are", "Link it to 1 MiB or above.");
        if (segment.PhysicalAddress > lowEnd || segment.MemorySize > lowEnd - segment.PhysicalAddress)
        {
            throw file.Fault(
                $"wants {segment.MemorySize} bytes at 0x{segment.PhysicalAddress:x}, outside the guest's memory, which ends at 0x{lowEnd:x}",
                "Raise mem_size_mib.");
        }

        // What the file does not fill is zero already: nobody has used this memory yet.
        if (segment.Offset > long.MaxValue) throw file.Fault("is cut off", "Copy it again.");
        file.Load((long)segment.Offset, (long)segment.FileSize, memory, new(segment.PhysicalAddress));
    }

    private static ulong? FindPvhEntry(BootFile file, in ElfSegment notes)
    {
        if (notes.FileSize > MostNoteBytes || notes.Offset > long.MaxValue) return null;
        var bytes = new byte[notes.FileSize];
        file.Read((long)notes.Offset, bytes);
        ReadOnlySpan<byte> rest = bytes;
        // A note: length of the name, length of the value, type; then both, each filled up to four bytes.
        while (rest.Length >= 12)
        {
            var nameLength = BinaryPrimitives.ReadUInt32LittleEndian(rest);
            var valueLength = BinaryPrimitives.ReadUInt32LittleEndian(rest[4..]);
            var type = BinaryPrimitives.ReadUInt32LittleEndian(rest[8..]);
            rest = rest[12..];
            var (namePadded, valuePadded) = ((nameLength + 3ul) & ~3ul, (valueLength + 3ul) & ~3ul);
            if (namePadded + valuePadded > (ulong)rest.Length) return null;
            var value = rest.Slice((int)namePadded, (int)valueLength);
            if (type == PvhEntryNote && rest[..(int)nameLength].SequenceEqual("Xen\0"u8) && value.Length >= sizeof(uint))
                return BinaryPrimitives.ReadUInt32LittleEndian(value);
            rest = rest[(int)(namePadded + valuePadded)..];
        }

        return null;
    }

#pragma warning disable CS0649, CS0169, IDE0044, IDE0051 // Read out of the file.
    private struct ElfHeader
    {
        public uint Magic;
        public byte Class;
        public byte Data;
        private ushort _versionAndAbi;
        private ulong _padding;
        public ushort Type;
        public ushort Machine;
        private uint _version;
        public ulong Entry;
        public ulong Segments;
        private ulong _sections;
        private uint _flags;
        private ushort _headerSize;
        public ushort SegmentSize;
        public ushort SegmentCount;
        private ushort _sectionSize;
        private ushort _sectionCount;
        private ushort _sectionNames;
    }

    private struct ElfSegment
    {
        public uint Type;
        private uint _flags;
        public ulong Offset;
        private ulong _virtualAddress;
        public ulong PhysicalAddress;
        public ulong FileSize;
        public ulong MemorySize;
        private ulong _alignment;
    }
#pragma warning restore CS0649, CS0169, IDE0044, IDE0051
}

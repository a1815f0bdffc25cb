using System.Buffers.Binary;
using System.Text;

namespace RunnerVm.Images;

/// <summary>The little of ELF (System V ABI, 64-bit little-endian) that kernels and their modules ask for.</summary>
internal static class ElfFile
{
    private const int MachineX64 = 62;

    /// <param name="header">The file's first bytes; fewer than 20 are never ELF.</param>
    public static bool IsX64(ReadOnlySpan<byte> header) =>
        header.Length >= 20
        && header.StartsWith("\x7f"u8) && header[1..].StartsWith("ELF"u8)
        && header[4] == 2 && header[5] == 1
        && BinaryPrimitives.ReadUInt16LittleEndian(header[18..]) == MachineX64;

    /// <summary>A section's bytes, or none where there is no such section.</summary>
    /// <exception cref="InvalidDataException">The file is cut off or no ELF file.</exception>
    public static ReadOnlySpan<byte> Section(ReadOnlySpan<byte> file, string name)
    {
        try
        {
            return FindEntry(file, name) is var at and > 0 ? Content(file, file[at..]) : [];
        }
        catch (ArgumentOutOfRangeException e)
        {
            throw new InvalidDataException("cut off ELF file", e);
        }
    }

    /// <summary>
    /// Takes a section's name and its place in memory away, so that whoever loads the file finds no such section; what
    /// the file holds stays where it is. Nothing happens where there is none.
    /// </summary>
    /// <exception cref="InvalidDataException">The file is cut off or no ELF file.</exception>
    public static void HideSection(Span<byte> file, string name)
    {
        const ulong allocated = 2; // SHF_ALLOC
        try
        {
            if (FindEntry(file, name) is not (var at and > 0)) return;
            var entry = file[at..];
            BinaryPrimitives.WriteUInt32LittleEndian(entry, 0);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[8..], BinaryPrimitives.ReadUInt64LittleEndian(entry[8..]) & ~allocated);
        }
        catch (ArgumentOutOfRangeException e)
        {
            throw new InvalidDataException("cut off ELF file", e);
        }
    }

    /// <returns>Where the section's header lies, or 0 where there is no such section.</returns>
    private static int FindEntry(ReadOnlySpan<byte> file, string name)
    {
        if (!IsX64(file) || file.Length < 64) throw new InvalidDataException("not an x86-64 ELF file");
        var table = (int)BinaryPrimitives.ReadUInt64LittleEndian(file[40..]);
        var entrySize = BinaryPrimitives.ReadUInt16LittleEndian(file[58..]);
        var count = BinaryPrimitives.ReadUInt16LittleEndian(file[60..]);
        var nameSection = BinaryPrimitives.ReadUInt16LittleEndian(file[62..]);
        var names = Content(file, file[(table + nameSection * entrySize)..]);
        for (var index = 0; index < count; index++)
        {
            var at = table + index * entrySize;
            var entryName = names[(int)BinaryPrimitives.ReadUInt32LittleEndian(file[at..])..];
            if (Encoding.ASCII.GetString(entryName[..entryName.IndexOf((byte)0)]) == name) return at;
        }

        return 0;
    }

    private static ReadOnlySpan<byte> Content(ReadOnlySpan<byte> file, ReadOnlySpan<byte> entry) => file.Slice(
        (int)BinaryPrimitives.ReadUInt64LittleEndian(entry[24..]), (int)BinaryPrimitives.ReadUInt64LittleEndian(entry[32..]));
}

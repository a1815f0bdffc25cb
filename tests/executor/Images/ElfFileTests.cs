using System.Buffers.Binary;
using System.Text;
using RunnerVm.Images;
using Xunit;

namespace RunnerVm.Tests.Executor.Images;

public sealed class ElfFileTests
{
    private const ulong Allocated = 2;

    [Fact]
    public void A_hidden_section_has_neither_name_nor_place_in_memory_and_the_others_are_as_before()
    {
        var file = Elf((".text", "code"), (".orc_unwind", "tables"), (".modinfo", "depends="));
        ElfFile.HideSection(file, ".orc_unwind");

        Assert.True(ElfFile.Section(file, ".orc_unwind").IsEmpty);
        Assert.Equal([Allocated, 0, Allocated], Flags(file)[1..4]);
        Assert.Equal("code", Encoding.ASCII.GetString(ElfFile.Section(file, ".text")));
        Assert.Equal("depends=", Encoding.ASCII.GetString(ElfFile.Section(file, ".modinfo")));
    }

    [Fact]
    public void Hiding_what_is_not_there_changes_nothing()
    {
        var file = Elf((".text", "code"));
        var before = file.ToArray();
        ElfFile.HideSection(file, ".orc_unwind");
        Assert.Equal(before, file);
    }

    [Fact]
    public void A_module_loses_its_unwind_tables_and_what_is_no_module_stays_as_it_is()
    {
        var module = ModuleGraph.WithoutUnwindTables(Elf((".orc_unwind_ip", "places"), (".orc_unwind", "tables")));
        Assert.Equal([0, 0], Flags(module)[1..3]);
        Assert.Equal("no module"u8, ModuleGraph.WithoutUnwindTables([.. "no module"u8]));
    }

    [Fact]
    public void A_cut_off_file_is_told_as_such()
    {
        var file = Elf((".text", "code"));
        Assert.Throws<InvalidDataException>(() => ElfFile.HideSection(file.AsSpan(0, file.Length - 70), ".orc_unwind"));
    }

    /// <summary>Header, contents, names, then the table of sections, whose first entry is empty as it must be.</summary>
    private static byte[] Elf(params (string Name, string Content)[] sections)
    {
        var file = new List<byte>(new byte[64]);
        var entries = new List<byte>(new byte[64]);
        var names = new List<byte> { 0 };
        foreach (var (name, content) in (IEnumerable<(string, string)>)[.. sections, (".shstrtab", "")])
        {
            var entry = new byte[64];
            BinaryPrimitives.WriteInt32LittleEndian(entry, names.Count);
            names.AddRange(Encoding.ASCII.GetBytes(name + '\0'));
            BinaryPrimitives.WriteUInt64LittleEndian(entry.AsSpan(8), Allocated);
            BinaryPrimitives.WriteInt64LittleEndian(entry.AsSpan(24), file.Count);
            var bytes = name == ".shstrtab" ? [.. names] : Encoding.ASCII.GetBytes(content);
            BinaryPrimitives.WriteInt64LittleEndian(entry.AsSpan(32), bytes.Length);
            file.AddRange(bytes);
            entries.AddRange(entry);
        }

        var result = file.Concat(entries).ToArray();
        byte[] identity = [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1];
        identity.CopyTo(result, 0);
        BinaryPrimitives.WriteUInt16LittleEndian(result.AsSpan(18), 62);
        BinaryPrimitives.WriteInt64LittleEndian(result.AsSpan(40), file.Count);
        BinaryPrimitives.WriteUInt16LittleEndian(result.AsSpan(58), 64);
        BinaryPrimitives.WriteUInt16LittleEndian(result.AsSpan(60), (ushort)(sections.Length + 2));
        BinaryPrimitives.WriteUInt16LittleEndian(result.AsSpan(62), (ushort)(sections.Length + 1));
        return result;
    }

    private static ulong[] Flags(byte[] file)
    {
        var table = (int)BinaryPrimitives.ReadInt64LittleEndian(file.AsSpan(40));
        return [.. Enumerable.Range(0, BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(60))).Select(i => BinaryPrimitives.ReadUInt64LittleEndian(file.AsSpan(table + (i * 64) + 8)))];
    }
}

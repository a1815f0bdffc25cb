using System.Formats.Tar;
using System.Text;
using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Files;
using RunnerVm.GuestAgent.Native;
using Xunit;

namespace RunnerVm.Tests.GuestAgent.Files;

public sealed class TarTests : IDisposable
{
    private const UnixFileMode Plain = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    private readonly TemporaryFolder _source = new();
    private readonly TemporaryFolder _target = new();

    public void Dispose()
    {
        _source.Dispose();
        _target.Dispose();
    }

    [Fact]
    public void A_tree_comes_back_as_it_was()
    {
        var longName = $"deep/{new string('x', 90)}/{new string('y', 200)}.txt";
        _source.Write("a.txt", "hello", Plain);
        _source.Write("bin/run", "#!/bin/sh\n", Plain | UnixFileMode.UserExecute | UnixFileMode.GroupWrite);
        _source.Write(longName, "long");
        _source.Write("ünïcode/ß", "text");
        _source.Write("empty", "");
        Directory.CreateDirectory(_source.Combine("empty-folder"));
        File.CreateSymbolicLink(_source.Combine("link"), "a.txt");
        File.CreateSymbolicLink(_source.Combine("dangling"), "/nowhere/" + new string('z', 150));
        var time = new DateTime(2020, 2, 29, 1, 2, 3, DateTimeKind.Utc);
        File.SetLastWriteTimeUtc(_source.Combine("a.txt"), time);
        Directory.SetLastWriteTimeUtc(_source.Combine("bin"), time);

        Unpack(Pack(["."]));

        Assert.Equal("hello", File.ReadAllText(_target.Combine("a.txt")));
        Assert.Equal(time, File.GetLastWriteTimeUtc(_target.Combine("a.txt")));
        Assert.Equal(time, Directory.GetLastWriteTimeUtc(_target.Combine("bin")));
        Assert.Equal(Plain | UnixFileMode.UserExecute | UnixFileMode.GroupWrite, File.GetUnixFileMode(_target.Combine("bin/run")));
        Assert.Equal("long", File.ReadAllText(_target.Combine(longName)));
        Assert.Equal("text", File.ReadAllText(_target.Combine("ünïcode/ß")));
        Assert.Equal(0, new FileInfo(_target.Combine("empty")).Length);
        Assert.True(Directory.Exists(_target.Combine("empty-folder")));
        Assert.Equal("a.txt", new FileInfo(_target.Combine("link")).LinkTarget);
        Assert.Equal("/nowhere/" + new string('z', 150), new FileInfo(_target.Combine("dangling")).LinkTarget);
    }

    [Fact]
    public void Patterns_choose_and_exclude_and_those_without_a_match_are_told()
    {
        _source.Write("src/a.js", "1");
        _source.Write("src/node_modules/b.js", "2");
        _source.Write("other/c.js", "3");

        Unpack(Pack(["src", "*.nothing", "**/c.*"], ["**/node_modules"], out var unmatched));

        Assert.Equal(["*.nothing"], unmatched);
        Assert.True(File.Exists(_target.Combine("src/a.js")));
        Assert.True(File.Exists(_target.Combine("other/c.js")));
        Assert.False(Directory.Exists(_target.Combine("src/node_modules")));
    }

    [Fact]
    public void A_link_to_a_folder_is_packed_as_a_link_and_not_followed()
    {
        _source.Write("real/secret", "s");
        File.CreateSymbolicLink(_source.Combine("way-out"), "/etc");

        Unpack(Pack(["way-out", "way-out/passwd"], [], out var unmatched));

        Assert.Equal("/etc", new FileInfo(_target.Combine("way-out")).LinkTarget);
        Assert.Equal(["way-out/passwd"], unmatched);
    }

    [Theory]
    [InlineData(3, 10)]
    [InlineData(10, 3)]
    public void A_file_that_changes_its_size_keeps_the_one_it_had(int before, int after)
    {
        var path = _source.Write("f", new string('a', before));
        using var handle = new SafeFileHandle(Libc.openat(Libc.AT_FDCWD, path, Libc.O_RDONLY, 0), ownsHandle: true);
        using var exact = new ExactFile(handle, before);
        File.WriteAllText(path, new string('b', after));

        var copy = new MemoryStream();
        exact.CopyTo(copy);

        Assert.Equal(before, copy.Length);
    }

    [Theory]
    [InlineData("../evil")]
    [InlineData("a/../../evil")]
    [InlineData("/evil")]
    public void A_name_outside_the_folder_is_refused(string name)
    {
        var archive = Archive(writer => writer.WriteEntry(File_(name, "x")));

        var refusal = Assert.Throws<TarRefusedException>(() => Unpack(archive));

        Assert.Contains(name, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_link_an_archive_brings_along_does_not_lead_out()
    {
        var archive = Archive(writer =>
        {
            writer.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, "out") { LinkName = _source.Path });
            writer.WriteEntry(File_("out/evil", "x"));
        });

        Assert.Throws<LinuxException>(() => Unpack(archive));

        Assert.False(File.Exists(_source.Combine("evil")));
    }

    [Fact]
    public void A_file_replaces_a_link_of_its_name_instead_of_writing_through_it()
    {
        var victim = _source.Write("victim", "old");
        File.CreateSymbolicLink(_target.Combine("f"), victim);

        Unpack(Archive(writer => writer.WriteEntry(File_("f", "new"))));

        Assert.Equal("old", File.ReadAllText(victim));
        Assert.Equal("new", File.ReadAllText(_target.Combine("f")));
    }

    [Fact]
    public void Hard_links_stay_hard_links_and_devices_are_left_out()
    {
        Unpack(Archive(writer =>
        {
            writer.WriteEntry(File_("a", "x"));
            writer.WriteEntry(new PaxTarEntry(TarEntryType.HardLink, "d/b") { LinkName = "a" });
            writer.WriteEntry(new PaxTarEntry(TarEntryType.CharacterDevice, "null") { DeviceMajor = 1, DeviceMinor = 3 });
        }));

        File.AppendAllText(_target.Combine("a"), "y");
        Assert.Equal("xy", File.ReadAllText(_target.Combine("d/b")));
        Assert.False(File.Exists(_target.Combine("null")));
    }

    private static PaxTarEntry File_(string name, string content) =>
        new(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(content)) };

    private static MemoryStream Archive(Action<TarWriter> fill)
    {
        var archive = new MemoryStream();
        using (var writer = new TarWriter(archive, leaveOpen: true)) fill(writer);
        archive.Position = 0;
        return archive;
    }

    private MemoryStream Pack(string[] include) => Pack(include, [], out _);

    private MemoryStream Pack(string[] include, string[] exclude, out string[] unmatched)
    {
        var archive = new MemoryStream();
        using var packer = new TarPacker(_source.Path, include, exclude, archive);
        packer.Pack();
        unmatched = [.. packer.Unmatched()];
        archive.Position = 0;
        return archive;
    }

    private void Unpack(Stream archive)
    {
        using var unpacker = new TarUnpacker(_target.Path);
        unpacker.Unpack(archive);
    }
}

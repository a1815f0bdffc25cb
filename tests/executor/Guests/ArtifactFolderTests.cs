using System.Diagnostics;
using System.Formats.Tar;
using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using Xunit;

namespace RunnerVm.Tests.Executor.Guests;

public sealed class ArtifactFolderTests : IDisposable
{
    private const long Plenty = 1L << 40;

    private readonly string _root = Directory.CreateTempSubdirectory("rvart").FullName;

    public ArtifactFolderTests()
    {
        Directory.CreateDirectory(Path.Join(_root, "canary", "deep"));
        File.WriteAllText(Path.Join(_root, "canary", "bird"), "alive");
        File.CreateSymbolicLink(Path.Join(_root, "canary", "perch"), "bird");
    }

    private string Target => Path.Join(_root, "target");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    public static TheoryData<string> Climbing => ["..", "../evil", "a/../../evil", "a/..", "a/../b", "/etc/evil", "/", "//", "a//b", "./", "./..", "a/./b", "././a", "a/.", "../canary/bird", ".//a"];

    [Theory]
    [MemberData(nameof(Climbing))]
    public async Task A_name_that_is_not_plainly_below_the_folder_is_refused_for_files_links_and_folders(string name)
    {
        foreach (var archive in new[] { new TarBytes().File(name).End(), new TarBytes().Link(name, "x").End(), new TarBytes().Long('L', name).File("ok").End() })
        {
            if (name is "./" && archive[156] == '2') continue; // The folder itself as a link: left out, see below.
            await RefusedAsync(archive);
        }

        if (name is not "./") await RefusedAsync(new TarBytes().Folder(name).End());
    }

    [Fact]
    public async Task A_file_or_link_in_the_place_of_the_folder_itself_changes_nothing()
    {
        await RefusedAsync(new TarBytes().File(".").End());
        Assert.Equal(1, (await UnpackAsync(new TarBytes().Link(".", "../canary").File("a").End())).LinksLeftOut);
        Assert.Equal(["a"], Names());
    }

    public static TheoryData<string, byte[]> Refused => new()
    {
        { "empty name", new TarBytes().File("").End() },
        { "empty long name", new TarBytes().Raw(TarBytes.Header("././@LongLink", 'L', 1)).Raw(new byte[512]).File("a").End() },
        { "name of 256 bytes in a part", new TarBytes().Long('L', new string('n', 256)).File("a").End() },
        { "long name of 4,098 bytes", new TarBytes().Long('L', new string('n', 4097)).File("a").End() },
        { "long name of a gigabyte", new TarBytes().Raw(TarBytes.Header("x", 'L', 1 << 30)).End() },
        { "long name of no bytes", new TarBytes().Raw(TarBytes.Header("x", 'L', 0)).End() },
        { "path the host has no room for", new TarBytes().Long('L', string.Join('/', Enumerable.Repeat("abc", 1020))).File("a").End() },
        { "two long names", new TarBytes().Long('L', "a").Long('L', "b").File("c").End() },
        { "two long targets", new TarBytes().Long('K', "a").Long('K', "b").Link("c", "d").End() },
        { "hard link", new TarBytes().Raw(TarBytes.Header("h", '1', 0, "../canary/bird")).End() },
        { "character device", new TarBytes().Raw(TarBytes.Header("d", '3', 0)).End() },
        { "block device", new TarBytes().Raw(TarBytes.Header("d", '4', 0)).End() },
        { "pipe", new TarBytes().Raw(TarBytes.Header("d", '6', 0)).End() },
        { "contiguous file", new TarBytes().File("d", type: '7').End() },
        { "pax header", new TarBytes().File("d", "30 path=../../canary/evil\n", type: 'x').End() },
        { "global pax header", new TarBytes().File("d", "30 path=../../canary/evil\n", type: 'g').End() },
        { "sparse file", new TarBytes().File("d", type: 'S').End() },
        { "directory dump", new TarBytes().File("d", type: 'D').End() },
        { "multi-volume", new TarBytes().File("d", type: 'M').End() },
        { "type 255", new TarBytes().File("d", type: 'ÿ').End() },
        { "folder with content", new TarBytes().File("d", type: '5').End() },
        { "link with content", new TarBytes().File("d", type: '2').End() },
        { "file twice", new TarBytes().File("a").File("a").End() },
        { "file over folder", new TarBytes().Folder("a").File("a").End() },
        { "folder over file", new TarBytes().File("a").Folder("a").End() },
        { "folder below file", new TarBytes().File("a").Folder("a/b/c").End() },
        { "file below file", new TarBytes().File("a").File("a/b").End() },
        { "link below file", new TarBytes().File("a").Link("a/b", "c").End() },
        { "negative size", new TarBytes().Raw(TarBytes.Header("a", '0', -1)).End() },
        { "most negative size", new TarBytes().Raw(TarBytes.Header("a", '0', long.MinValue)).End() },
        { "eight tebibytes", new TarBytes().Raw(TarBytes.Header("a", '0', 8L << 40)).End() },
        { "nearly all bits of a size", new TarBytes().Raw(TarBytes.Header("a", '0', long.MaxValue)).End() },
        { "all bits of a size", new TarBytes().Raw(WithSize(0x80, 0xFF)).End() },
        { "size of letters", new TarBytes().Raw(WithSize((byte)'z', (byte)'z')).End() },
        { "wrong checksum", Mutate(new TarBytes().File("a").End(), 0) },
        { "no checksum", new TarBytes().Raw([1, .. new byte[511]]).End() },
        { "more after the end", [.. new TarBytes().File("a").End(), .. new TarBytes().File("b").End()] },
        { "a bit after the end", [.. new TarBytes().File("a").End(), 1] },
        { "padding without end", [.. new TarBytes().File("a").End(), .. new byte[1 << 20]] },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task What_the_agent_never_writes_is_refused_and_nothing_is_left(string what, byte[] archive)
    {
        Assert.NotEmpty(what);
        await RefusedAsync(archive);
    }

    [Theory]
    [InlineData("a", "/etc/passwd")]
    [InlineData("a", "..")]
    [InlineData("a", "../canary")]
    [InlineData("a", "./../canary/bird")]
    [InlineData("d/a", "../../canary")]
    [InlineData("d/a", "b/../../..")]
    [InlineData("d/e/f/a", "../../../..")]
    [InlineData("a", "")]
    [InlineData("a", "/")]
    [InlineData("a", "d/../../canary")]
    public async Task A_link_out_of_the_folder_is_left_out(string name, string target)
    {
        var contents = await UnpackAsync(new TarBytes().Link(name, target).File("kept").End());
        Assert.Equal(1, contents.LinksLeftOut);
        Assert.Null(new FileInfo(Path.Join(Target, name)).LinkTarget);
        Assert.True(File.Exists(Path.Join(Target, "kept")));
    }

    [Theory]
    [InlineData("a", "kept")]
    [InlineData("d/a", "../kept")]
    [InlineData("d/e/a", "../../kept")]
    [InlineData("a", "./kept")]
    [InlineData("a", "dangling/nowhere")]
    public async Task A_link_that_stays_inside_is_made_as_it_was(string name, string target)
    {
        Assert.Equal(0, (await UnpackAsync(new TarBytes().Link(name, target).File("kept").End())).LinksLeftOut);
        Assert.Equal(target, new FileInfo(Path.Join(Target, name)).LinkTarget);
    }

    [Fact]
    public async Task Nothing_is_written_through_a_link_whatever_the_order()
    {
        await UnpackAsync(new TarBytes()
            .Link("out", "../canary").File("out/bird", "dead")
            .Link("up", "d").Link("up/out", "..").Link("up/more/out", "../..")
            .Link("d/self", "..").Link("d/self/d/far", "../..")
            .Link("d/e/one", "../..").Link("two", "d/e/one/../..").Link("three", "d/self").Link("three/x", "..")
            .Folder("d").File("d/f").End());
        foreach (var link in new DirectoryInfo(Target).EnumerateFileSystemInfos("*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint }))
            Assert.StartsWith(Target, link.FullName);
        using (var find = Process.Start(new ProcessStartInfo("find", [Target, "-type", "l", "-exec", "realpath", "-m", "{}", ";"]) { RedirectStandardOutput = true })!)
            foreach (var end in (await find.StandardOutput.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries)) Assert.StartsWith(Target, end);

        Assert.Equal("dead", File.ReadAllText(Path.Join(Target, "out/bird")));
        CheckCanary();
    }

    [Fact]
    public async Task An_archive_cut_at_any_byte_is_refused_or_a_shorter_archive()
    {
        var archive = new TarBytes().Folder("d").Long('L', "d/" + new string('n', 120)).File("x", "content").Link("l", "d").File("b", new string('b', 600)).End();
        for (var length = 0; length <= archive.Length; length += length % 512 is 0 or 511 ? 1 : length % 512 < 500 ? 17 : 1)
        {
            try
            {
                await UnpackAsync(archive[..length]);
                Assert.True(length % 512 == 0 || length > archive.Length - 1024, $"cut at {length}");
                Directory.Delete(Target, recursive: true);
            }
            catch (ProtocolException)
            {
                CheckNothingLeft();
            }
        }
    }

    [Fact]
    public async Task Disk_and_entries_are_bounded_by_what_is_written_and_not_by_what_is_claimed()
    {
        await RefusedAsync(new TarBytes().File("a", new string('x', 10_000)).End(), new(8192, 100));
        await RefusedAsync(new TarBytes().File("a").File("b").File("c").End(), new(8192, 100));
        await RefusedAsync(new TarBytes().Folder("a").Folder("b").Folder("c").End(), new(8192, 100));
        await RefusedAsync(new TarBytes().File("a", "").File("b", "").File("c", "").End(), new(Plenty, 2));
        await RefusedAsync(new TarBytes().Folder(".").Folder(".").Folder(".").End(), new(Plenty, 2));
        await RefusedAsync(new TarBytes().Folder("a").Folder("a").Folder("a").End(), new(Plenty, 2));
        await RefusedAsync(new TarBytes().Link("a", "..").Link("b", "..").Link("c", "..").End(), new(Plenty, 2));
        Assert.Equal(3, (await UnpackAsync(new TarBytes().File("a").File("b").Folder("c").End(), new(3 * 4096, 3))).Entries);
    }

    [Fact]
    public async Task Regression_folders_that_only_a_long_name_makes_count_as_entries()
    {
        var deep = string.Join('/', Enumerable.Repeat("d", 1800));
        await RefusedAsync(new TarBytes().Long('L', deep + "/f").File("x", "").End(), new(Plenty, 1000));
        await RefusedAsync(new TarBytes().Long('L', deep).Folder("x").End(), new(Plenty, 1000));
        await RefusedAsync(new TarBytes().Long('L', deep + "/f").File("x", "").End(), new(100 * 4096, 1_000_000));
    }

    [Fact]
    public async Task Folders_2000_levels_deep_are_unpacked_or_refused_and_can_be_removed()
    {
        var archive = new TarBytes();
        for (var depth = 1; depth <= 2000; depth += 40) archive.Long('L', string.Join('/', Enumerable.Repeat("d", depth))).Folder("x");
        try
        {
            await UnpackAsync(archive.End(), new(Plenty, 10_000));
            Directory.Delete(Target, recursive: true);
        }
        catch (ProtocolException)
        {
            // Longer than a path may be on this host.
        }

        CheckNothingLeft();
    }

    [Fact]
    public async Task Regression_the_memory_of_a_million_links_is_bounded()
    {
        var one = new TarBytes().Long('K', new string('t', 4000)).Link("l", "").Cut();
        var violation = await Assert.ThrowsAsync<ProtocolException>(() => UnpackFromAsync(new Repeated(one), new(Plenty, 1_000_000)));
        Assert.Contains("links", violation.Message);
        CheckNothingLeft();
    }

    [Fact]
    public async Task A_million_entries_are_the_most()
    {
        var violation = await Assert.ThrowsAsync<ProtocolException>(() => UnpackFromAsync(new Repeated(new TarBytes().Folder(".").Cut()), new(Plenty, 1_000_000)));
        Assert.Contains("1000000 entries", violation.Message);
    }

    [Fact]
    public async Task An_existing_folder_is_never_written_into()
    {
        Directory.CreateDirectory(Target);
        await Assert.ThrowsAsync<IOException>(() => UnpackAsync(new TarBytes().File("a").End()));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Target));
    }

    [Fact]
    public async Task Rights_and_times_are_kept_but_no_privilege_is()
    {
        await UnpackAsync(new TarBytes().File("a", mode: 0xFED).File("b", mode: 0).End());
        const UnixFileMode owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        Assert.Equal(owner, File.GetUnixFileMode(Path.Join(Target, "b")));
        Assert.Equal((UnixFileMode)0, File.GetUnixFileMode(Path.Join(Target, "a")) & (UnixFileMode.SetUser | UnixFileMode.SetGroup | UnixFileMode.StickyBit));
        Assert.Equal(DateTime.UnixEpoch, File.GetLastWriteTimeUtc(Path.Join(Target, "a")));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(long.MinValue)]
    [InlineData(1L << 40)]
    [InlineData(long.MaxValue >> 1)]
    public async Task Regression_any_time_is_taken(long seconds)
    {
        var block = TarBytes.Header("a", '0', 0);
        TarBytes.WriteBinary(block.AsSpan(136, 12), seconds);
        TarBytes.Sign(block);
        await UnpackAsync(new TarBytes().Raw(block).End());
        Assert.InRange(File.GetLastWriteTimeUtc(Path.Join(Target, "a")), DateTime.UnixEpoch, DateTime.MaxValue);
    }

    [Fact]
    public async Task Archives_of_this_runtime_in_GNU_format_are_read()
    {
        var bytes = new MemoryStream();
        using (var tar = new TarWriter(bytes, TarEntryFormat.Gnu, leaveOpen: true))
        {
            var old = DateTimeOffset.FromUnixTimeSeconds(-1000);
            tar.WriteEntry(new GnuTarEntry(TarEntryType.Directory, "d/") { ModificationTime = old });
            tar.WriteEntry(new GnuTarEntry(TarEntryType.RegularFile, "d/ü\n\"'") { DataStream = new MemoryStream(new byte[5000]), ModificationTime = old });
            tar.WriteEntry(new GnuTarEntry(TarEntryType.RegularFile, "-" + new string('n', 200)) { Mode = (UnixFileMode)0x1ED });
            tar.WriteEntry(new GnuTarEntry(TarEntryType.SymbolicLink, "link") { LinkName = string.Join('/', Enumerable.Repeat("target", 100)) });
        }

        var contents = await UnpackAsync(bytes.ToArray());
        Assert.Equal(new(4, 5000, 0), contents);
        Assert.Equal(5000, new FileInfo(Path.Join(Target, "d/ü\n\"'")).Length);
        Assert.Equal(699, new FileInfo(Path.Join(Target, "link")).LinkTarget!.Length);
        Assert.True(File.GetUnixFileMode(Path.Join(Target, "-" + new string('n', 200))).HasFlag(UnixFileMode.UserExecute));
    }

    [Fact]
    public async Task Archives_of_GNU_tar_are_read()
    {
        var source = Directory.CreateDirectory(Path.Join(_root, "source")).FullName;
        Directory.CreateDirectory(Path.Join(source, "d", new string('e', 150)));
        File.WriteAllText(Path.Join(source, "d", new string('e', 150), new string('f', 200)), "long");
        File.WriteAllText(Path.Join(source, "new\nline"), "odd");
        File.WriteAllText(Path.Join(source, "empty"), "");
        File.CreateSymbolicLink(Path.Join(source, "link"), new string('t', 180));
        File.SetLastWriteTimeUtc(Path.Join(source, "empty"), new(1960, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        using (var tar = Process.Start("tar", ["--format=gnu", "-C", source, "-cf", Path.Join(_root, "a.tar"), "."])) await tar.WaitForExitAsync();
        var contents = await UnpackAsync(await File.ReadAllBytesAsync(Path.Join(_root, "a.tar")));
        Assert.Equal((7, 7, 0), (contents.Entries, (int)contents.Bytes, contents.LinksLeftOut));
        Assert.Equal(NamesBelow(source), Names());
        Assert.Equal("long", File.ReadAllText(Path.Join(Target, "d", new string('e', 150), new string('f', 200))));
    }

    [Fact]
    public async Task A_size_of_nine_gigabytes_is_understood_and_held_against_the_bound()
    {
        var huge = TarBytes.Header("a", '0', 9L << 30);
        var refused = await Assert.ThrowsAsync<ProtocolException>(() => UnpackAsync(huge, new(8L << 30, 10)));
        Assert.Contains("disk", refused.Message);
        var cut = await Assert.ThrowsAsync<ProtocolException>(() => UnpackAsync(huge, new(10L << 30, 10)));
        Assert.Contains("in the middle of a file", cut.Message);
        CheckNothingLeft();
    }

    [Fact]
    public async Task Mutated_archives_never_reach_outside_and_fail_only_as_archives_do()
    {
        var seed = new TarBytes().Folder("d").Long('L', "d/" + new string('n', 120)).File("x", "content").Link("l", "d")
            .Long('K', new string('k', 120)).Link("m", "x").File("d/b", new string('b', 600)).Link("d/up", "../l").End();
        var random = new Random(20260101);
        for (var round = 0; round < 3000; round++)
        {
            var archive = (byte[])seed.Clone();
            for (var i = random.Next(1, 6); i > 0; i--) Mutate(archive, random);
            if (random.Next(3) != 0)
                for (var at = 0; at < archive.Length; at += 512)
                    if (archive.AsSpan(at + 257, 5).SequenceEqual("ustar"u8)) TarBytes.Sign(archive.AsSpan(at, 512));
            try
            {
                await UnpackFromAsync(new PieceStream(archive, round), new(1 << 20, 50));
                Directory.Delete(Target, recursive: true);
            }
            catch (IOException)
            {
                // ProtocolException is one; anything else fails the test.
            }

            CheckNothingLeft();
        }
    }

    private static void Mutate(byte[] archive, Random random)
    {
        string[] names = ["../canary/bird", "/tmp/evil", "d", "l", "l/x", "..", "m/../..", "d/up/x", ""];
        var block = random.Next(archive.Length / 512) * 512;
        if (random.Next(2) == 0) archive[random.Next(archive.Length)] = (byte)random.Next(256);
        else if (random.Next(3) == 0) archive[block + 156] = (byte)"0125LKx37S"[random.Next(10)];
        else System.Text.Encoding.ASCII.GetBytes(names[random.Next(names.Length)] + "\0").CopyTo(archive, block + (random.Next(2) == 0 ? 0 : 157));
    }

    private static byte[] Mutate(byte[] archive, int at)
    {
        archive[at] ^= 1;
        return archive;
    }

    private static byte[] WithSize(byte first, byte others)
    {
        var block = TarBytes.Header("a", '0', 0);
        block.AsSpan(124, 12).Fill(others);
        block[124] = first;
        TarBytes.Sign(block);
        return block;
    }

    private async Task RefusedAsync(byte[] archive, ArtifactFolder.Bounds? bounds = null)
    {
        var violation = await Assert.ThrowsAsync<ProtocolException>(() => UnpackAsync(archive, bounds));
        Assert.DoesNotContain(violation.Message, static c => char.IsControl(c));
        CheckNothingLeft();
    }

    private Task<ArtifactFolder.Contents> UnpackAsync(byte[] archive, ArtifactFolder.Bounds? bounds = null) => UnpackFromAsync(new PieceStream(archive), bounds);

    private Task<ArtifactFolder.Contents> UnpackFromAsync(Stream tar, ArtifactFolder.Bounds? bounds) =>
        new ArtifactFolder(Target, bounds ?? new(1 << 30, 10_000)).UnpackAsync(tar, static _ => { }, CancellationToken.None);

    private IReadOnlyList<string> Names() => NamesBelow(Target);

    private static IReadOnlyList<string> NamesBelow(string folder) =>
        [.. Directory.EnumerateFileSystemEntries(folder, "*", SearchOption.AllDirectories).Select(p => Path.GetRelativePath(folder, p)).Order(StringComparer.Ordinal)];

    private void CheckNothingLeft()
    {
        Assert.Equal(["canary"], Directory.EnumerateFileSystemEntries(_root).Select(Path.GetFileName));
        CheckCanary();
    }

    private void CheckCanary()
    {
        Assert.Equal(["bird", "deep", "perch"], NamesBelow(Path.Join(_root, "canary")));
        Assert.Equal("alive", File.ReadAllText(Path.Join(_root, "canary", "bird")));
        Assert.Equal("bird", new FileInfo(Path.Join(_root, "canary", "perch")).LinkTarget);
    }

    /// <summary>The same bytes for ever.</summary>
    private sealed class Repeated(byte[] bytes) : MemoryStream
    {
        private int _at;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_at == bytes.Length) _at = 0;
            var count = Math.Min(buffer.Length, bytes.Length - _at);
            bytes.AsMemory(_at, count).CopyTo(buffer);
            _at += count;
            return new(count);
        }
    }
}

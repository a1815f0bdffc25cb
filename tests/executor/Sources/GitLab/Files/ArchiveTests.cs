using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using CliWrap;
using CliWrap.Buffered;
using FsCheck;
using FsCheck.Xunit;
using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Sources.GitLab.Files;
using RunnerVm.Tests.Executor.Guests;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitLab.Files;

public sealed class ArchiveTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("rvzip").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task A_zip_keeps_names_modes_links_and_folders_as_other_tools_read_them()
    {
        var tar = new TarBytes().Folder("out/").File("out/run.sh", "echo hi", mode: 0x1ED).File("out/grüße €.txt", "text").Link("out/link", "run.sh").End();
        var path = Path.Join(_root, "a.zip");
        await using (var file = File.Create(path)) Assert.Equal(3, await ArtifactZip.WriteAsync(new MemoryStream(tar), file, CompressionLevel.Optimal, Plenty(), CancellationToken.None));
        const string code = "import zipfile,sys\nz=zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\nfor i in z.infolist(): print(i.filename, oct(i.external_attr>>16), z.read(i).decode())";
        var listed = await Cli.Wrap("python3").WithArguments(["-c", code, path]).WithEnvironmentVariables(static e => e.Set("PYTHONIOENCODING", "utf8")).ExecuteBufferedAsync(Encoding.UTF8);
        Assert.Equal("out/ 0o40644 \nout/run.sh 0o100755 echo hi\nout/grüße €.txt 0o100644 text\nout/link 0o120644 run.sh\n", listed.StandardOutput);
    }

    [Theory]
    [InlineData("../evil")]
    [InlineData("/etc/evil")]
    [InlineData("a/../../evil")]
    public async Task A_guests_archive_with_a_name_that_leads_out_makes_no_zip_and_no_report(string name)
    {
        var tar = new TarBytes().File(name).End();
        await Assert.ThrowsAsync<ProtocolException>(() => ArtifactZip.WriteAsync(new MemoryStream(tar), new MemoryStream(), CompressionLevel.Optimal, Plenty(), CancellationToken.None));
        await Assert.ThrowsAsync<ProtocolException>(() => ReportFiles.WriteGzipAsync(new MemoryStream(tar), new MemoryStream(), CompressionLevel.Optimal, Plenty(), CancellationToken.None));
    }

    [Fact]
    public async Task Devices_and_archives_beyond_their_bounds_are_refused()
    {
        await Assert.ThrowsAsync<ProtocolException>(() => Zip(new TarBytes().Raw(TarBytes.Header("dev", '3', 0)).End(), Plenty()));
        await Assert.ThrowsAsync<ProtocolException>(() => Zip(new TarBytes().File("a", new string('x', 9000)).End(), new(8192, 10)));
        await Assert.ThrowsAsync<ProtocolException>(() => Zip(new TarBytes().File("a").File("b").File("c").End(), new(1 << 20, 2)));
    }

    [Fact]
    public async Task A_report_is_one_gzip_member_for_each_file()
    {
        var tar = new TarBytes().File("r/a.xml", "<a/>").File("r/leer.xml", "").File("r/ü.xml", "<b/>").End();
        var path = Path.Join(_root, "junit.xml.gz");
        await using (var file = File.Create(path)) Assert.Equal(3, await ReportFiles.WriteGzipAsync(new MemoryStream(tar), file, CompressionLevel.Optimal, Plenty(), CancellationToken.None));
        var read = await Cli.Wrap("python3").WithArguments(["-c", "import gzip,sys; print(gzip.open(sys.argv[1]).read().decode())", path]).ExecuteBufferedAsync();
        Assert.Equal("<a/><b/>\n", read.StandardOutput);
        var bytes = Encoding.Latin1.GetString(await File.ReadAllBytesAsync(path));
        Assert.Contains("a.xml\0r/a.xml\0", bytes);
        Assert.Contains("e:%C3%BC.xml\0e:r%2F%C3%BC.xml\0", bytes);
    }

    [Fact]
    public async Task Two_files_or_a_link_make_no_raw_report()
    {
        var two = new TarBytes().File("a.json").File("b.json").End();
        Assert.Contains("both a.json and b.json", (await Assert.ThrowsAsync<ReportException>(() => ReportFiles.WriteRawAsync(new MemoryStream(two), new MemoryStream(), Plenty(), CancellationToken.None))).Message);
        var link = new TarBytes().Link("a.json", "b").End();
        await Assert.ThrowsAsync<ReportException>(() => ReportFiles.WriteRawAsync(new MemoryStream(link), new MemoryStream(), Plenty(), CancellationToken.None));
    }

    [Fact]
    public async Task What_was_zipped_comes_back_as_the_same_tar()
    {
        var path = Path.Join(_root, "b.zip");
        await using (var file = File.Create(path))
            await ArtifactZip.WriteAsync(new MemoryStream(new TarBytes().Folder("d/").File("d/x", "content", mode: 0x1ED).Link("d/l", "x").End()), file, CompressionLevel.Fastest, Plenty(), CancellationToken.None);
        var tar = await TarOf(path);
        using var reader = new TarReader(tar);
        Assert.Equal((TarEntryType.Directory, "d"), (reader.GetNextEntry() is { } d ? (d.EntryType, d.Name.TrimEnd('/')) : default));
        var x = reader.GetNextEntry(copyData: true)!;
        Assert.Equal(("d/x", "content", (UnixFileMode)0x1ED), (x.Name, new StreamReader(x.DataStream!).ReadToEnd(), x.Mode));
        Assert.Equal(("d/l", "x"), (reader.GetNextEntry() is { } l ? (l.Name, l.LinkName) : default));
    }

    [Fact]
    public async Task An_archive_of_nothing_is_one()
    {
        var path = Path.Join(_root, "empty.zip");
        ZipFile.Open(path, ZipArchiveMode.Create).Dispose();
        using var reader = new TarReader(await TarOf(path));
        Assert.Null(reader.GetNextEntry());
    }

    [Theory]
    [InlineData("../up")]
    [InlineData("/abs")]
    [InlineData("a\\..\\b")]
    public async Task A_dependencys_name_that_leads_out_is_refused(string name)
    {
        var path = Zip(name, "x");
        Assert.Contains("does not stay", (await Assert.ThrowsAsync<BadArchiveException>(() => TarOf(path))).Message);
    }

    [Fact]
    public async Task A_dependency_larger_than_the_machines_disk_is_refused_by_its_own_word_and_by_its_bytes()
    {
        var path = Zip("bomb", new string('0', 5 << 20));
        Assert.Contains("larger", (await Assert.ThrowsAsync<BadArchiveException>(() => TarOf(path, 1 << 20))).Message);
        var bytes = await File.ReadAllBytesAsync(path);
        Lie(bytes, 1000);
        await File.WriteAllBytesAsync(path, bytes);
        await Assert.ThrowsAsync<BadArchiveException>(() => TarOf(path, 1 << 20));
    }

    [Fact]
    public async Task A_directory_of_a_million_and_one_entries_is_counted_before_it_is_read()
    {
        var path = Path.Join(_root, "many.zip");
        await using (var file = new BufferedStream(File.Create(path)))
        {
            var entry = new byte[46];
            "PK\x01\x02"u8.CopyTo(entry);
            file.Write("PK\x03\x04"u8);
            for (var i = 0; i <= ArchiveBudget.MostEntries; i++) file.Write(entry);
            var end = new byte[22];
            "PK\x05\x06"u8.CopyTo(end);
            end[16] = 4;
            file.Write(end);
        }

        Assert.Contains("more than 1000000 entries", (await Assert.ThrowsAsync<BadArchiveException>(() => TarOf(path))).Message);
    }

    [Property(MaxTest = 50)]
    public void Damage_anywhere_is_a_sentence_or_harmless(int at, byte with)
    {
        var path = Zip("some/file", "content that is long enough to be packed packed packed packed");
        var bytes = File.ReadAllBytes(path);
        bytes[(int)((uint)at % bytes.Length)] = with;
        File.WriteAllBytes(path, bytes);
        try
        {
            TarOf(path).GetAwaiter().GetResult();
        }
        catch (BadArchiveException)
        {
        }
    }

    [Fact]
    public async Task What_is_no_zip_is_told_by_its_kind()
    {
        var path = Path.Join(_root, "x");
        foreach (var (bytes, word) in new (byte[], string)[] { ([0x1F, 0x8B, 8, 0], "gzip"), ([0x28, 0xB5, 0x2F, 0xFD], "zstd"), ([], "no zip"), ("hello"u8.ToArray(), "no zip") })
        {
            await File.WriteAllBytesAsync(path, bytes);
            Assert.Contains(word, (await Assert.ThrowsAsync<BadArchiveException>(() => TarOf(path))).Message);
        }
    }

    private static Task<int> Zip(byte[] tar, ArchiveBudget budget) => ArtifactZip.WriteAsync(new MemoryStream(tar), new MemoryStream(), CompressionLevel.Fastest, budget, CancellationToken.None);

    private static ArchiveBudget Plenty() => new(1 << 30, 1000);

    private string Zip(string name, string content)
    {
        var path = Path.Join(_root, $"{Guid.NewGuid():n}.zip");
        using var zip = ZipFile.Open(path, ZipArchiveMode.Create);
        using var writer = new StreamWriter(zip.CreateEntry(name).Open());
        writer.Write(content);
        return path;
    }

    /// <summary>Changes the length the directory gives of its only file.</summary>
    private static void Lie(byte[] zip, int length)
    {
        var at = zip.AsSpan().IndexOf("PK\x01\x02"u8) + 24;
        System.Buffers.Binary.BinaryPrimitives.WriteInt32LittleEndian(zip.AsSpan(at), length);
    }

    private static async Task<MemoryStream> TarOf(string path, long most = 1 << 30)
    {
        var tar = new MemoryStream();
        await new DependencyArchive(path, most).WriteTarAsync(tar, CancellationToken.None);
        tar.Position = 0;
        return tar;
    }
}

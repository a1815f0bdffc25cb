using System.Buffers.Binary;
using System.Formats.Tar;
using System.IO.Compression;
using System.IO.Hashing;
using System.Text;
using RunnerVm.Guests;

namespace RunnerVm.Sources.GitLab.Files;

/// <summary>
/// An earlier job's archive on its way into a guest. Another job made it, so it is as hostile as any: entries and bytes
/// are bounded before and while they are read, names stay below the project, and nothing is unpacked on the host.
/// </summary>
internal sealed class DependencyArchive(string zipPath, long mostBytes)
{
    private const int EndMarkSize = 1024;
    private const uint DirectoryEntry = 0x02014b50;
    private const int DirectoryEntrySize = 46;
    private const int LinkType = 0xA000;
    private const int TypeBits = 0xF000;
    private const int LongestTarget = 4096;
    private static readonly uint EndMark = 0x06054b50;

    /// <summary>Writes it as a tar stream.</summary>
    /// <exception cref="BadArchiveException">It is no zip, or one that is not taken.</exception>
    public async Task WriteTarAsync(Stream tar, CancellationToken cancellationToken)
    {
        try
        {
            await using var file = File.OpenRead(zipPath);
            await CheckTypeAsync(file, cancellationToken);
            CountEntries(file);
            file.Position = 0;
            using var zip = new ZipArchive(file, ZipArchiveMode.Read);
            // The writer leaves out the end mark of an archive without entries.
            if (zip.Entries.Count == 0) await tar.WriteAsync(new byte[EndMarkSize], cancellationToken);
            await using var writer = new TarWriter(tar, TarEntryFormat.Pax, leaveOpen: true);
            long bytes = 0;
            foreach (var entry in zip.Entries)
            {
                bytes += entry.Length;
                if (bytes > mostBytes || entry.Length < 0) throw new BadArchiveException($"unpacked it is larger than the {mostBytes >> 20} MiB of the machine's disk");
                await WriteAsync(writer, entry, cancellationToken);
            }
        }
        catch (InvalidDataException e)
        {
            throw new BadArchiveException($"it is damaged: {UntrustedText.Line(e.Message)}", e);
        }
    }

    private static async Task WriteAsync(TarWriter writer, ZipArchiveEntry entry, CancellationToken cancellationToken)
    {
        var name = Check(entry.FullName);
        if (name.Length == 0) return;
        var attributes = entry.ExternalAttributes >>> 16;
        var mode = (UnixFileMode)(attributes & 0b111_111_111);
        var isFolder = entry.FullName.EndsWith('/');
        // What was packed on a system without modes.
        if (mode == 0) mode = isFolder ? (UnixFileMode)0b111_101_101 : (UnixFileMode)0b110_100_100;
        if (isFolder)
        {
            await writer.WriteEntryAsync(new PaxTarEntry(TarEntryType.Directory, name) { Mode = mode, ModificationTime = entry.LastWriteTime }, cancellationToken);
            return;
        }

        await using var content = new DeclaredContent(entry.Open(), entry.Length, entry.Crc32);
        if ((attributes & TypeBits) == LinkType)
            await writer.WriteEntryAsync(new PaxTarEntry(TarEntryType.SymbolicLink, name) { LinkName = await TargetAsync(content, entry, cancellationToken) }, cancellationToken);
        else
            await writer.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, name) { Mode = mode, ModificationTime = entry.LastWriteTime, DataStream = content }, cancellationToken);
    }

    private static async Task<string> TargetAsync(Stream content, ZipArchiveEntry entry, CancellationToken cancellationToken)
    {
        if (entry.Length is 0 or > LongestTarget) throw new BadArchiveException($"the link {UntrustedText.Line(entry.FullName)} has a target of {entry.Length} bytes");
        var target = new byte[entry.Length];
        await content.ReadExactlyAsync(target, cancellationToken);
        return target.AsSpan().Contains((byte)0)
            ? throw new BadArchiveException($"the link {UntrustedText.Line(entry.FullName)} leads nowhere")
            : Encoding.UTF8.GetString(target);
    }

    /// <summary>The name without what means nothing; empty for the folder itself.</summary>
    private static string Check(string name)
    {
        var parts = name.Split('/').Where(static p => p is not ("" or ".")).ToArray();
        if (name.StartsWith('/') || name.Contains('\0') || name.Contains('\\') || parts.Contains("..") || parts.Any(static p => Encoding.UTF8.GetByteCount(p) > 255))
            throw new BadArchiveException($"it has the name '{UntrustedText.Line(name)}', which does not stay in its folder");
        return string.Join('/', parts);
    }

    private static async Task CheckTypeAsync(FileStream file, CancellationToken cancellationToken)
    {
        var start = new byte[4];
        var read = await file.ReadAtLeastAsync(start, start.Length, throwOnEndOfStream: false, cancellationToken);
        if (read >= 2 && start[0] == 0x1F && start[1] == 0x8B) throw new BadArchiveException("it is a gzip file, which is no archive");
        if (read == 4 && BinaryPrimitives.ReadUInt32LittleEndian(start) == 0xFD2FB528) throw new BadArchiveException("it is packed with zstd; only zip archives can be unpacked. Set CACHE_COMPRESSION_FORMAT or FF_USE_FASTZIP of the job that made it back to zip");
    }

    /// <summary>
    /// The library reads the whole directory into memory before anybody can say stop, so it is counted first: a file of
    /// bare directory entries would be a hundred times its size there.
    /// </summary>
    private static void CountEntries(FileStream file)
    {
        var tail = new byte[(int)Math.Min(file.Length, 66_000)];
        file.Position = file.Length - tail.Length;
        file.ReadExactly(tail);
        var end = -1;
        for (var i = tail.Length - 22; i >= 0 && end < 0; i--)
            if (BinaryPrimitives.ReadUInt32LittleEndian(tail.AsSpan(i)) == EndMark) end = i;
        if (end < 0) throw new BadArchiveException("it is no zip archive");

        long directory = BinaryPrimitives.ReadUInt32LittleEndian(tail.AsSpan(end + 16));
        // Zip64: the locator stands before the end mark and says where the larger end record is.
        if (directory == uint.MaxValue && end >= 20) directory = Zip64Directory(file, BinaryPrimitives.ReadInt64LittleEndian(tail.AsSpan(end - 12)));
        if (directory < 0 || directory > file.Length) throw new BadArchiveException("its directory lies outside of it");
        Walk(file, directory);
    }

    private static long Zip64Directory(FileStream file, long record)
    {
        if (record < 0 || record > file.Length - 56) throw new BadArchiveException("its directory lies outside of it");
        var bytes = new byte[56];
        file.Position = record;
        file.ReadExactly(bytes);
        return BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(48));
    }

    private static void Walk(FileStream file, long directory)
    {
        file.Position = directory;
        using var reader = new BinaryReader(new BufferedStream(file, 64 * 1024), Encoding.UTF8, leaveOpen: true);
        var entry = new byte[DirectoryEntrySize];
        for (var count = 0; reader.Read(entry) == entry.Length && BinaryPrimitives.ReadUInt32LittleEndian(entry) == DirectoryEntry; count++)
        {
            if (count >= ArchiveBudget.MostEntries) throw new BadArchiveException($"it has more than {ArchiveBudget.MostEntries} entries");
            var rest = BinaryPrimitives.ReadUInt16LittleEndian(entry.AsSpan(28)) + BinaryPrimitives.ReadUInt16LittleEndian(entry.AsSpan(30)) + BinaryPrimitives.ReadUInt16LittleEndian(entry.AsSpan(32));
            for (var left = rest; left > 0;)
            {
                var passed = reader.Read(new byte[Math.Min(left, 4096)]);
                if (passed == 0) return;
                left -= passed;
            }
        }
    }

    /// <summary>
    /// An entry's content, which has to be what its directory says: the header of the tar entry gives the length too, and the
    /// library compares neither length nor checksum.
    /// </summary>
    private sealed class DeclaredContent(Stream inner, long length, uint checksum) : ReadOnlyStream
    {
        private readonly Crc32 _crc = new();
        private long _position;

        public override bool CanSeek => true;

        public override long Length => length;

        public override long Position
        {
            get => _position;
            set => throw new NotSupportedException();
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var read = await inner.ReadAsync(buffer, cancellationToken);
            _position += read;
            _crc.Append(buffer.Span[..read]);
            var ended = read == 0 && !buffer.IsEmpty;
            if (_position > length || (ended && _position < length) || (_position == length && _crc.GetCurrentHashAsUInt32() != checksum))
                throw new BadArchiveException("a file in it is not what its directory says: its length or its checksum differ");
            return read;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing) inner.Dispose();
            base.Dispose(disposing);
        }
    }
}

/// <summary>An archive that is not unpacked; the message completes "The artifacts of … cannot be unpacked: ".</summary>
internal sealed class BadArchiveException(string message, Exception? cause = null) : Exception(message, cause);

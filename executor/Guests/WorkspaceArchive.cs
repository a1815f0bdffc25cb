using System.Formats.Tar;

namespace RunnerVm.Guests;

/// <summary>
/// Writes files of a host folder as a tar stream. A file that changes its size meanwhile is cut or filled up to what its
/// header said, one that vanishes is left out: a living folder cannot break the archive.
/// </summary>
internal sealed class WorkspaceArchive(string root, IReadOnlyList<string> files)
{
    /// <summary>Sum of the regular files' sizes, for a progress bar; may be off when files change.</summary>
    public long MeasureBytes()
    {
        long sum = 0;
        foreach (var file in files)
            if (new FileInfo(Path.Join(root, file)) is { Exists: true, LinkTarget: null } info) sum += info.Length;
        return sum;
    }

    /// <param name="onBytes">Called with the bytes of content written so far.</param>
    public async Task WriteAsync(Stream target, Action<long> onBytes, CancellationToken cancellationToken)
    {
        long written = 0;
        await using var tar = new TarWriter(target, TarEntryFormat.Pax, leaveOpen: true);
        foreach (var name in files)
        {
            var entry = Describe(Path.Join(root, name), name);
            if (entry is null) continue;
            await using var content = entry.DataStream;
            await tar.WriteEntryAsync(entry, cancellationToken);
            written += content?.Length ?? 0;
            onBytes(written);
        }
    }

    private static PaxTarEntry? Describe(string path, string name)
    {
        FileSystemInfo info = Directory.Exists(path) ? new DirectoryInfo(path) : new FileInfo(path);
        if (info.LinkTarget is { } target) return new(TarEntryType.SymbolicLink, name) { LinkName = target, ModificationTime = info.LastWriteTimeUtc };
        if (!info.Exists) return null;

        var entry = new PaxTarEntry(info is DirectoryInfo ? TarEntryType.Directory : TarEntryType.RegularFile, name)
        {
            Mode = info.UnixFileMode,
            ModificationTime = info.LastWriteTimeUtc,
        };
        if (info is not FileInfo) return entry;
        var opened = Open(path);
        if (opened is null) return null;
        entry.DataStream = new FixedLengthStream(opened, opened.Length);
        return entry;
    }

    private static FileStream? Open(string path)
    {
        try
        {
            return new(path, new FileStreamOptions { Access = FileAccess.Read, Share = FileShare.ReadWrite | FileShare.Delete, BufferSize = 0, Options = FileOptions.SequentialScan });
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (UnauthorizedAccessException e)
        {
            throw new UserException(ExitCodes.BadFile, $"Cannot read {path} of the workspace: {e.Message} Make it readable, or ignore it in .gitignore.", e);
        }
    }
}

/// <summary>Exactly so many bytes of another stream, zeros where it ends early.</summary>
internal sealed class FixedLengthStream(Stream inner, long length) : Stream
{
    private long _position;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => length;

    public override long Position
    {
        get => _position;
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var wanted = (int)Math.Min(buffer.Length, length - _position);
        if (wanted == 0) return 0;
        var read = await inner.ReadAsync(buffer[..wanted], cancellationToken);
        if (read == 0)
        {
            buffer.Span[..wanted].Clear();
            read = wanted;
        }

        _position += read;
        return read;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Read it asynchronously.");

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) inner.Dispose();
        base.Dispose(disposing);
    }
}

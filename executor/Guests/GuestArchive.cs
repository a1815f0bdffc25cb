using System.Text;
using RunnerVm.GuestProtocol;

namespace RunnerVm.Guests;

/// <summary>One file, folder or link of an archive.</summary>
/// <param name="Type">'0' file, '5' folder, '2' symbolic link.</param>
/// <param name="Name">Relative, plainly below its folder: no empty part, no dot, no double dot, no slash at the end; "." is the folder itself.</param>
/// <param name="Target">Of a link, as the guest wrote it: anything.</param>
/// <param name="Size">Bytes of content.</param>
internal readonly record struct GuestArchiveEntry(char Type, string Name, string Target, UnixFileMode Mode, long Size, DateTimeOffset Modified);

/// <summary>
/// Reads a hostile guest's tar stream entry by entry (the dialect of <see cref="TarHeader"/>) and writes nothing. Names have
/// been checked; how much of it all is taken is for the caller to bound, with an <see cref="ArchiveBudget"/>.
/// </summary>
internal sealed class GuestArchive(Stream tar)
{
    private readonly byte[] _block = new byte[TarHeader.BlockSize];
    private long _left;
    private int _padding;

    /// <summary>The next entry, or null at the end. What was not read of the last one's content is passed over.</summary>
    /// <exception cref="ProtocolException">It is not what the agent writes.</exception>
    public async ValueTask<GuestArchiveEntry?> NextAsync(CancellationToken cancellationToken)
    {
        await PassContentAsync(cancellationToken);
        string? longName = null;
        string? longTarget = null;
        while (await ReadHeaderAsync(cancellationToken) is { } header)
        {
            if (header.Type is 'L' or 'K')
            {
                var text = await ReadNameAsync((int)header.Size, cancellationToken);
                if ((header.Type == 'L' ? longName : longTarget) is not null) throw new ProtocolException("The guest's archive has two long names for one entry.");
                if (header.Type == 'L') longName = text;
                else longTarget = text;
                continue;
            }

            (_left, _padding) = (header.Size, (int)(-header.Size & (TarHeader.BlockSize - 1)));
            return new(header.Type, Check(longName ?? header.Name), longTarget ?? header.LinkTarget, header.Mode, header.Size, header.Modified);
        }

        return null;
    }

    /// <summary>The current entry's content, exactly as long as it says; valid until the next entry.</summary>
    public Stream Content => new EntryStream(this);

    /// <summary>Refuses every name that is not plainly below the folder; the rest without what means nothing.</summary>
    private static string Check(string name)
    {
        if (name is "." or "./") return ".";
        var parts = name.TrimEnd('/').Split('/');
        var from = parts[0] == "." ? 1 : 0;
        if (name.Length == 0 || name[0] == '/' || parts.Length == from || name.Contains('\0')) throw BadName(name);
        for (var i = from; i < parts.Length; i++)
            if (parts[i] is "" or "." or ".." || Encoding.UTF8.GetByteCount(parts[i]) > 255) throw BadName(name);
        return string.Join('/', parts[from..]);
    }

    /// <summary>The next header, or null at the two zero blocks (or the stream's end) that end an archive.</summary>
    private async Task<TarHeader?> ReadHeaderAsync(CancellationToken cancellationToken)
    {
        var read = await tar.ReadAtLeastAsync(_block, _block.Length, throwOnEndOfStream: false, cancellationToken);
        if (read == 0) return null;
        if (read < _block.Length) throw new ProtocolException("The guest's archive ends in the middle of a header.");
        if (_block.AsSpan().ContainsAnyExcept((byte)0)) return TarHeader.Read(_block);

        // What follows the end is padding; a guest that sends more of it than any tar writes is refused.
        for (var padding = 0; await tar.ReadAsync(_block, cancellationToken) is var more and > 0; padding += more)
            if (padding > 64 * 1024 || _block.AsSpan(0, more).ContainsAnyExcept((byte)0)) throw new ProtocolException("The guest's archive goes on after its end.");
        return null;
    }

    private async Task<string> ReadNameAsync(int size, CancellationToken cancellationToken)
    {
        var padded = new byte[(size + TarHeader.BlockSize - 1) / TarHeader.BlockSize * TarHeader.BlockSize];
        if (await tar.ReadAtLeastAsync(padded, padded.Length, throwOnEndOfStream: false, cancellationToken) < padded.Length) throw Cut();
        return TarHeader.Text(padded.AsSpan(0, size));
    }

    private static ProtocolException Cut() => new("The guest's archive ends in the middle of an entry.");

    private static ProtocolException BadName(string name) =>
        new($"The guest's archive has the name '{UntrustedText.Line(name)}', which does not stay in its folder.");

    private async ValueTask<int> ReadContentAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var wanted = (int)Math.Min(buffer.Length, _left);
        if (wanted == 0) return 0;
        var read = await tar.ReadAsync(buffer[..wanted], cancellationToken);
        if (read == 0) throw new ProtocolException("The guest's archive ends in the middle of a file.");
        _left -= read;
        return read;
    }

    private async Task PassContentAsync(CancellationToken cancellationToken)
    {
        if (_left + _padding == 0) return;
        var buffer = new byte[Math.Min(_left + _padding, 64 * 1024)];
        for (var read = 1; read > 0;) read = await ReadContentAsync(buffer, cancellationToken);
        if (await tar.ReadAtLeastAsync(buffer.AsMemory(0, _padding), _padding, throwOnEndOfStream: false, cancellationToken) < _padding) throw Cut();
        _padding = 0;
    }

    /// <summary>One entry's bytes; its end is that of the entry or an exception.</summary>
    private sealed class EntryStream(GuestArchive archive) : ReadOnlyStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            archive.ReadContentAsync(buffer, cancellationToken);
    }
}

/// <summary>How much of a guest's archive the host takes: counted before anything is done with an entry.</summary>
/// <param name="bytes">Most bytes of content, each file and folder rounded up to what it costs on a disk.</param>
/// <param name="entries">Most files, folders and links.</param>
internal sealed class ArchiveBudget(long bytes, int entries)
{
    /// <summary>What a folder, and the last piece of a file, cost on the host's disk.</summary>
    private const int BlockBytes = 4096;

    /// <summary>Entries of any archive the host reads.</summary>
    public const int MostEntries = 1_000_000;

    private long _bytes;
    private int _entries;

    /// <exception cref="ProtocolException">It is too much.</exception>
    public void Take(GuestArchiveEntry entry)
    {
        if (++_entries > entries) throw new ProtocolException($"The guest's archive has more than {entries} entries.");
        TakeBytes(entry.Size);
    }

    public void TakeBytes(long size)
    {
        _bytes += (size + BlockBytes - 1) / BlockBytes * BlockBytes;
        if (_bytes > bytes) throw new ProtocolException($"The guest's archive needs more than {bytes} bytes of disk.");
    }
}

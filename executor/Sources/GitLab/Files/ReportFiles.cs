using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;
using System.Text;
using RunnerVm.GuestProtocol;
using RunnerVm.Guests;

namespace RunnerVm.Sources.GitLab.Files;

/// <summary>The two forms of a report: each file a member of one gzip, or a single file as it is.</summary>
internal static class ReportFiles
{
    private const byte HasName = 8;
    private const byte HasComment = 16;
    private const byte Unix = 3;

    /// <summary>One gzip member for each file (RFC 1952), its name and path in the header.</summary>
    /// <exception cref="ReportException">Something chosen is no regular file.</exception>
    /// <exception cref="ProtocolException">What came is not an archive of ours, or is too much.</exception>
    public static async Task<int> WriteGzipAsync(Stream tar, Stream gzip, CompressionLevel level, ArchiveBudget budget, CancellationToken cancellationToken)
    {
        var files = 0;
        var archive = new GuestArchive(tar);
        while (await archive.NextAsync(cancellationToken) is { } entry)
        {
            budget.Take(entry);
            if (entry.Type == '5') continue;
            RequireFile(entry);
            files++;
            await WriteMemberAsync(archive.Content, gzip, entry, level, cancellationToken);
        }

        return files;
    }

    /// <summary>Exactly one file.</summary>
    /// <exception cref="ReportException">There are more, or it is no regular file.</exception>
    /// <exception cref="ProtocolException">What came is not an archive of ours, or is too much.</exception>
    public static async Task<int> WriteRawAsync(Stream tar, Stream raw, ArchiveBudget budget, CancellationToken cancellationToken)
    {
        string? first = null;
        var archive = new GuestArchive(tar);
        while (await archive.NextAsync(cancellationToken) is { } entry)
        {
            budget.Take(entry);
            if (entry.Type == '5') continue;
            RequireFile(entry);
            if (first is not null) throw new ReportException($"only one file can be uploaded as it is, and both {first} and {UntrustedText.Line(entry.Name)} match. Name one of them.");
            first = UntrustedText.Line(entry.Name);
            await archive.Content.CopyToAsync(raw, cancellationToken);
        }

        return first is null ? 0 : 1;
    }

    private static async Task WriteMemberAsync(Stream content, Stream gzip, GuestArchiveEntry entry, CompressionLevel level, CancellationToken cancellationToken)
    {
        await gzip.WriteAsync(Header(entry), cancellationToken);
        var checksum = new Crc32();
        long length = 0;
        await using (var deflate = new DeflateStream(gzip, level, leaveOpen: true))
        {
            var buffer = new byte[64 * 1024];
            for (int read; (read = await content.ReadAsync(buffer, cancellationToken)) > 0; length += read)
            {
                checksum.Append(buffer.AsSpan(0, read));
                await deflate.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            }
        }

        var trailer = new byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(trailer, checksum.GetCurrentHashAsUInt32());
        BinaryPrimitives.WriteUInt32LittleEndian(trailer.AsSpan(4), (uint)length);
        // An empty deflate stream writes nothing where a block with the end mark is due.
        if (length == 0) await gzip.WriteAsync(new byte[] { 3, 0 }, cancellationToken);
        await gzip.WriteAsync(trailer, cancellationToken);
    }

    private static byte[] Header(GuestArchiveEntry entry)
    {
        var seconds = Math.Clamp(entry.Modified.ToUnixTimeSeconds(), 0, uint.MaxValue);
        byte[] header = [0x1F, 0x8B, 8, HasName | HasComment, 0, 0, 0, 0, 0, Unix, .. Text(Path.GetFileName(entry.Name)), 0, .. Text(entry.Name), 0];
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(4), (uint)seconds);
        return header;
    }

    /// <summary>Header texts are Latin-1; GitLab's form of any other is percent-encoded, with a sign before it.</summary>
    private static byte[] Text(string text) =>
        Encoding.ASCII.GetBytes(text.All(static c => c is >= ' ' and < '\x7f' and not '%') ? text : $"e:{Uri.EscapeDataString(text)}");

    private static void RequireFile(GuestArchiveEntry entry)
    {
        if (entry.Type != '0') throw new ReportException($"{UntrustedText.Line(entry.Name)} is a symbolic link, and a report takes files only.");
    }
}

/// <summary>The chosen files do not make a report; the message goes into the job's log.</summary>
internal sealed class ReportException(string message) : Exception(message);

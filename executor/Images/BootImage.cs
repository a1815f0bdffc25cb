using System.Buffers.Binary;
using System.IO.Compression;
using CliWrap;

namespace RunnerVm.Images;

/// <summary>
/// Unpacks the ELF kernel inside a bzImage. Where it lies is said by the setup header (the Linux x86 boot protocol,
/// version 2.08 and newer: payload_offset, payload_length); how it is compressed, by its first bytes.
/// </summary>
internal static class BootImage
{
    private const int SetupSectorsOffset = 0x1f1;
    private const int MagicOffset = 0x202;
    private const int VersionOffset = 0x206;
    private const int PayloadOffsetOffset = 0x248;
    private const int FirstVersionWithPayload = 0x208;

    /// <param name="Tool">Decompresses standard input to standard output, or null for gzip, which .NET reads itself.</param>
    /// <param name="SizeAppended">The payload ends with four bytes of ours, the unpacked size, which the tool must not see.</param>
    private sealed record Compression(byte[] Magic, string? Tool, string[] Arguments, bool SizeAppended = true);

    // The kernel is unpacked by "lz4 -l" and friends at build time: see scripts/Makefile.lib in its source.
    private static readonly Compression[] Compressions =
    [
        new([0x1f, 0x8b], null, [], SizeAppended: false),
        new([0x02, 0x21, 0x4c, 0x18], "lz4", ["-d", "-c"]),
        new([0xfd, 0x37, 0x7a, 0x58, 0x5a], "xz", ["-d", "-c"]),
        new([0x28, 0xb5, 0x2f, 0xfd], "zstd", ["-d", "-c"]),
        new([0x5d, 0x00, 0x00], "xz", ["--format=lzma", "-d", "-c"]),
        new([0x42, 0x5a, 0x68], "bzip2", ["-d", "-c"]),
    ];

    /// <param name="bootImage">The vmlinuz file.</param>
    /// <param name="target">Where the ELF file is written.</param>
    /// <exception cref="UserException">It is no bzImage, or its compression is unknown.</exception>
    public static async Task ExtractAsync(string bootImage, string target, CancellationToken cancellationToken)
    {
        var image = await File.ReadAllBytesAsync(bootImage, cancellationToken);
        var payload = Payload(image, bootImage);
        var compression = Compressions.FirstOrDefault(c => payload.Span.StartsWith(c.Magic))
            ?? throw Unusable(bootImage, $"its payload is compressed by an unknown method (it begins with {Convert.ToHexString(payload.Span[..4])})");
        uint? size = compression.SizeAppended ? BinaryPrimitives.ReadUInt32LittleEndian(payload.Span[^4..]) : null;
        var packed = compression.SizeAppended ? payload[..^4] : payload;

        await using (var output = File.Create(target))
        {
            await DecompressAsync(packed, compression, output, bootImage, cancellationToken);
        }

        await using var written = File.OpenRead(target);
        var header = new byte[20];
        await written.ReadAtLeastAsync(header, header.Length, throwOnEndOfStream: false, cancellationToken);
        if (!ElfFile.IsX64(header)) throw Unusable(bootImage, "what it holds is not an x86-64 ELF file");
        if (size is not null && size != written.Length)
        {
            throw Unusable(bootImage, $"it unpacked to {written.Length} bytes where {size} were announced");
        }
    }

    internal static ReadOnlyMemory<byte> Payload(ReadOnlyMemory<byte> image, string path)
    {
        var bytes = image.Span;
        if (bytes.Length < PayloadOffsetOffset + 8 || !bytes[MagicOffset..].StartsWith("HdrS"u8))
        {
            throw Unusable(path, "it has no Linux setup header");
        }

        if (BinaryPrimitives.ReadUInt16LittleEndian(bytes[VersionOffset..]) < FirstVersionWithPayload)
        {
            throw Unusable(path, "its boot protocol is older than 2.08");
        }

        var setupSectors = bytes[SetupSectorsOffset] == 0 ? 4 : bytes[SetupSectorsOffset];
        var start = (setupSectors + 1) * 512L + BinaryPrimitives.ReadUInt32LittleEndian(bytes[PayloadOffsetOffset..]);
        var length = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(PayloadOffsetOffset + 4)..]);
        if (length < 8 || start + length > bytes.Length) throw Unusable(path, "it is cut off");
        return image.Slice((int)start, (int)length);
    }

    private static async Task DecompressAsync(
        ReadOnlyMemory<byte> packed, Compression compression, Stream output, string path, CancellationToken cancellationToken)
    {
        if (compression.Tool is null)
        {
            await using var gzip = new GZipStream(new MemoryStream(packed.ToArray()), CompressionMode.Decompress);
            await gzip.CopyToAsync(output, cancellationToken);
            return;
        }

        await Tool.RunAsync(
            compression.Tool,
            compression.Arguments,
            new() { Attempt = $"unpack the kernel {path}", Input = PipeSource.FromBytes(packed), Output = PipeTarget.ToStream(output) },
            cancellationToken);
    }

    private static UserException Unusable(string path, string why) =>
        new(ExitCodes.Failed, $"Cannot unpack the kernel {path}: {why}.");
}

using System.Buffers.Binary;
using System.Text;

namespace RunnerVm.Tests.Executor.Guests;

/// <summary>Tar archives written byte for byte, right or wrong as a test wants them.</summary>
internal sealed class TarBytes
{
    private readonly MemoryStream _bytes = new();

    public TarBytes File(string name, string content = "x", char type = '0', int mode = 0x1A4) => Raw(Header(name, type, content.Length, mode: mode)).Content(Encoding.UTF8.GetBytes(content));

    public TarBytes Folder(string name) => Raw(Header(name, '5', 0));

    public TarBytes Link(string name, string target) => Raw(Header(name, '2', 0, target));

    /// <summary>A GNU record for a long name (L) or target (K).</summary>
    public TarBytes Long(char type, string text) => Raw(Header("././@LongLink", type, Encoding.UTF8.GetByteCount(text) + 1)).Content([.. Encoding.UTF8.GetBytes(text), 0]);

    public TarBytes Raw(params byte[] bytes)
    {
        _bytes.Write(bytes);
        return this;
    }

    public byte[] End() => Raw(new byte[1024])._bytes.ToArray();

    public byte[] Cut() => _bytes.ToArray();

    public static byte[] Header(string name, char type, long size, string target = "", int mode = 0x1A4)
    {
        var block = new byte[512];
        Encoding.UTF8.GetBytes(name).AsSpan().CopyTo(block);
        Encoding.ASCII.GetBytes(Convert.ToString(mode, 8).PadLeft(7, '0')).CopyTo(block, 100);
        if (size is >= 0 and < 1L << 33) Encoding.ASCII.GetBytes(Convert.ToString(size, 8).PadLeft(11, '0')).CopyTo(block, 124);
        else WriteBinary(block.AsSpan(124, 12), size);
        "00000000000"u8.CopyTo(block.AsSpan(136));
        block[156] = (byte)type;
        Encoding.UTF8.GetBytes(target).AsSpan().CopyTo(block.AsSpan(157));
        "ustar  \0"u8.CopyTo(block.AsSpan(257));
        Sign(block);
        return block;
    }

    /// <summary>GNU's big-endian form of a number that octal has no room for.</summary>
    public static void WriteBinary(Span<byte> field, long value)
    {
        field.Fill(value < 0 ? (byte)0xFF : (byte)0);
        BinaryPrimitives.WriteInt64BigEndian(field[^8..], value);
        field[0] |= 0x80;
    }

    public static void Sign(Span<byte> block)
    {
        block.Slice(148, 8).Fill((byte)' ');
        var sum = 0;
        foreach (var b in block) sum += b;
        Encoding.ASCII.GetBytes(Convert.ToString(sum, 8).PadLeft(6, '0') + "\0 ").CopyTo(block[148..]);
    }

    private TarBytes Content(byte[] content) => Raw(content).Raw(new byte[-content.Length & 511]);
}

/// <summary>Gives its bytes in pieces of a random size.</summary>
internal sealed class PieceStream(byte[] bytes, int seed = 1) : MemoryStream(bytes)
{
    private readonly Random _random = new(seed);

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        base.ReadAsync(buffer[..Math.Min(buffer.Length, _random.Next(1, 700))], cancellationToken);
}

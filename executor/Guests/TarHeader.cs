using System.Text;
using RunnerVm.GuestProtocol;

namespace RunnerVm.Guests;

/// <summary>
/// One 512-byte header of the narrow GNU tar dialect the agent writes (PROTOCOL.md, tar out). Bytes come from a hostile
/// guest, so this reader knows nothing that dialect does not need: no pax, no sparse files, no hard links, no devices.
/// </summary>
/// <param name="Type">One of 0, 5, 2, L, K.</param>
/// <param name="Name">As stored, at most 100 bytes; a preceding L record replaces it.</param>
/// <param name="LinkTarget">As stored, at most 100 bytes; a preceding K record replaces it.</param>
/// <param name="Mode">Permission bits only.</param>
/// <param name="Size">Bytes of content that follow, padded to 512.</param>
internal readonly record struct TarHeader(char Type, string Name, string LinkTarget, UnixFileMode Mode, long Size, DateTimeOffset Modified)
{
    public const int BlockSize = 512;

    /// <summary>Longest name or link target, in bytes.</summary>
    public const int MaxName = 4096;

    /// <exception cref="ProtocolException">It is not a header of the dialect.</exception>
    public static TarHeader Read(ReadOnlySpan<byte> block)
    {
        CheckSum(block);
        var type = block[156] == 0 ? '0' : (char)block[156];
        if (type is not ('0' or '5' or '2' or 'L' or 'K')) throw new ProtocolException($"The guest's archive has an entry of type {block[156]}, which is never asked for.");

        var size = Number(block.Slice(124, 12), "size");
        if (type is '5' or '2' && size != 0) throw new ProtocolException("The guest's archive has a folder or link with content.");
        if (type is 'L' or 'K' && size is 0 or > MaxName + 1) throw new ProtocolException($"The guest's archive has a name of {size} bytes.");

        // Before 1970 a time is GNU's negative binary: no reason to refuse a file.
        var seconds = block[136] == 0xFF ? 0 : Math.Clamp(Number(block.Slice(136, 12), "time"), 0, 253402300799);
        return new(
            type, Text(block[..100]), Text(block.Slice(157, 100)), (UnixFileMode)(Number(block.Slice(100, 8), "mode") & 0x1FF), size,
            DateTimeOffset.FromUnixTimeSeconds(seconds));
    }

    /// <summary>Bytes up to the first NUL as UTF-8.</summary>
    public static string Text(ReadOnlySpan<byte> field)
    {
        var end = field.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? field : field[..end]);
    }

    private static void CheckSum(ReadOnlySpan<byte> block)
    {
        var sum = 0;
        for (var i = 0; i < BlockSize; i++) sum += i is >= 148 and < 156 ? ' ' : block[i];
        if (Number(block.Slice(148, 8), "checksum") != sum) throw new ProtocolException("The guest's archive has a header with a wrong checksum.");
    }

    /// <summary>Octal text, or GNU's big-endian binary when the first bit is set.</summary>
    private static long Number(ReadOnlySpan<byte> field, string what)
    {
        if ((field[0] & 0x80) != 0)
        {
            if (field[0] != 0x80) throw new ProtocolException($"The guest's archive has a negative {what}.");
            long value = 0;
            foreach (var b in field[1..])
            {
                if (value >> 54 != 0) throw new ProtocolException($"The guest's archive has a {what} beyond all bounds.");
                value = value << 8 | b;
            }

            return value;
        }

        long octal = 0;
        foreach (var b in field.Trim(" \0"u8))
        {
            if (b is < (byte)'0' or > (byte)'7') throw new ProtocolException($"The guest's archive has a {what} that is not a number.");
            octal = octal << 3 | (uint)(b - '0');
        }

        return octal;
    }
}

using System.Buffers.Binary;
using System.Text;

namespace RunnerVm.Egress;

/// <summary>A DNS message does not follow RFC 1035, or uses more of it than a stub resolver needs.</summary>
internal sealed class DnsFormatException(string message) : Exception(message);

/// <summary>Reads a DNS message (RFC 1035, section 4) front to back. Every length is checked, every name is bounded.</summary>
internal ref struct DnsReader(ReadOnlySpan<byte> message)
{
    private const int MaximumWireName = 255;

    private readonly ReadOnlySpan<byte> _message = message;

    public int Position { get; private set; }

    public bool AtEnd => Position == _message.Length;

    public byte ReadByte()
    {
        if (Position >= _message.Length) throw new DnsFormatException("the message ends too early");
        return _message[Position++];
    }

    public ushort ReadUInt16() => BinaryPrimitives.ReadUInt16BigEndian(ReadBytes(2));

    public uint ReadUInt32() => BinaryPrimitives.ReadUInt32BigEndian(ReadBytes(4));

    public ReadOnlySpan<byte> ReadBytes(int count)
    {
        if (count > _message.Length - Position) throw new DnsFormatException("the message ends too early");
        var bytes = _message.Slice(Position, count);
        Position += count;
        return bytes;
    }

    /// <summary>
    /// A name as text: lower case, no final dot, the root empty. A byte that no host name holds, a dot within a label
    /// included, becomes a backslash and three digits, so no two names look the same and none can hide in a log.
    /// </summary>
    /// <param name="compressed">Whether it may point to an earlier name (section 4.1.4).</param>
    public string ReadName(bool compressed)
    {
        var text = new StringBuilder();
        var at = Position;
        var floor = at;
        var wire = 0;
        var end = -1;
        while (true)
        {
            var length = At(at);
            if ((length & 0xC0) == 0xC0)
            {
                // Each pointer leads before everything read so far, so the walk ends.
                var target = ((length & 0x3F) << 8) | At(at + 1);
                if (!compressed || target >= floor) throw new DnsFormatException("a name points where it must not");
                if (end < 0) end = at + 2;
                (at, floor) = (target, target);
                continue;
            }

            if (length > 63) throw new DnsFormatException("a label is of an unknown kind");
            wire += length + 1;
            if (wire > MaximumWireName) throw new DnsFormatException("a name is longer than 255 bytes");
            at++;
            if (length == 0) break;
            if (text.Length > 0) text.Append('.');
            for (var i = 0; i < length; i++) AppendByte(text, At(at + i));
            at += length;
        }

        Position = end < 0 ? at : end;
        return text.ToString();
    }

    private readonly byte At(int index) =>
        index < _message.Length ? _message[index] : throw new DnsFormatException("a name runs over the end");

    private static void AppendByte(StringBuilder text, byte value)
    {
        var c = (char)value;
        if (char.IsAsciiLetterOrDigit(c) || c is '-' or '_') text.Append(char.ToLowerInvariant(c));
        else text.Append('\\').Append(value.ToString("D3"));
    }
}

using System.Buffers.Binary;
using System.Text;

namespace RunnerVm.GuestProtocol;

/// <summary>
/// The fields of a message one after the other (PROTOCOL.md, "Messages"). For the few that every restored machine reads and writes
/// before the first line of its job: JSON's reader and writer are a thousand pieces of code that run there for the first time.
/// </summary>
internal sealed class PayloadWriter
{
    private byte[] _bytes = new byte[512];
    private int _length;

    public PayloadWriter Int32(int value)
    {
        BinaryPrimitives.WriteInt32LittleEndian(Room(4), value);
        return this;
    }

    public PayloadWriter Int64(long value)
    {
        BinaryPrimitives.WriteInt64LittleEndian(Room(8), value);
        return this;
    }

    public PayloadWriter Bytes(ReadOnlySpan<byte> bytes)
    {
        Int32(bytes.Length);
        bytes.CopyTo(Room(bytes.Length));
        return this;
    }

    public PayloadWriter Text(string? text)
    {
        if (text is null) return Int32(PayloadReader.Nothing);
        var length = Encoding.UTF8.GetByteCount(text);
        Int32(length);
        Encoding.UTF8.GetBytes(text, Room(length));
        return this;
    }

    public PayloadWriter Texts(string[] texts)
    {
        Int32(texts.Length);
        foreach (var text in texts) Text(text);
        return this;
    }

    public byte[] ToArray() => _bytes.AsSpan(0, _length).ToArray();

    private Span<byte> Room(int count)
    {
        if (_bytes.Length - _length < count) Array.Resize(ref _bytes, Math.Max(2 * _bytes.Length, _length + count));
        var room = _bytes.AsSpan(_length, count);
        _length += count;
        return room;
    }
}

using System.Buffers.Binary;
using System.Text;

namespace RunnerVm.GuestProtocol;

/// <summary>
/// The other side of <see cref="PayloadWriter"/>. What it makes is never larger than a small multiple of what it was given, whatever
/// the lengths in it say; each read past the end is a <see cref="ProtocolException"/>.
/// </summary>
internal ref struct PayloadReader(string message, ReadOnlySpan<byte> payload)
{
    /// <summary>In place of a length: there is none.</summary>
    public const int Nothing = -1;

    private ReadOnlySpan<byte> _rest = payload;

    public int Int32() => BinaryPrimitives.ReadInt32LittleEndian(Take(4));

    public int? OptionalInt32() => Int32() is var value and not Nothing ? value : null;

    public long Int64() => BinaryPrimitives.ReadInt64LittleEndian(Take(8));

    public byte[] Bytes() => Take(Int32()).ToArray();

    public string Text() => OptionalText() ?? throw Malformed.BadMessage(message, "a text in it is missing");

    public string? OptionalText()
    {
        var length = Int32();
        return length == Nothing ? null : Encoding.UTF8.GetString(Take(length));
    }

    public string[] Texts()
    {
        var texts = new string[Count()];
        for (var i = 0; i < texts.Length; i++) texts[i] = Text();
        return texts;
    }

    /// <summary>How many items follow; each has at least the four bytes of its own length.</summary>
    public int Count()
    {
        var count = Int32();
        return count >= 0 && count <= _rest.Length / 4 ? count : throw Malformed.BadMessage(message, $"it cannot hold {count} items");
    }

    public readonly void End()
    {
        if (!_rest.IsEmpty) throw Malformed.BadMessage(message, $"{_rest.Length} bytes follow its end");
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count < 0 || count > _rest.Length) throw Malformed.BadMessage(message, $"it ends where {count} bytes were expected");
        var taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }
}

using System.Buffers.Binary;

namespace RunnerVm.GuestProtocol;

/// <summary>What a frame does. PROTOCOL.md, "Frames".</summary>
public enum FrameType : byte
{
    /// <summary>First frame of each side, on channel 0.</summary>
    Hello = 1,

    /// <summary>Opens a channel: kind, the opener's receive credit, the request.</summary>
    Open = 2,

    /// <summary>Bytes of one lane of a channel; never empty.</summary>
    Data = 3,

    /// <summary>More bytes the peer may send on a channel.</summary>
    Credit = 4,

    /// <summary>No more data will come from this side; the other direction goes on.</summary>
    End = 5,

    /// <summary>The accepting side is done; the payload is its result. The channel is over.</summary>
    Close = 6,

    /// <summary>The channel is over at once; the payload is a reason.</summary>
    Reset = 7,
}

/// <summary>
/// The twelve bytes before every payload, little-endian: payload length (4), type (1), lane (1), zero (2), channel (4).
/// </summary>
/// <param name="Length">Payload bytes that follow.</param>
/// <param name="Type">What the frame does.</param>
/// <param name="Lane">Which of the channel's parallel byte sequences a data frame belongs to; 0 elsewhere.</param>
/// <param name="Channel">0 for hello, else odd when the guest opened the channel and even when the host did.</param>
public readonly record struct FrameHeader(int Length, FrameType Type, byte Lane, uint Channel)
{
    /// <summary>Writes the header into <paramref name="target"/>, which holds at least <see cref="Limits.HeaderSize"/> bytes.</summary>
    public void Write(Span<byte> target)
    {
        BinaryPrimitives.WriteInt32LittleEndian(target, Length);
        target[4] = (byte)Type;
        target[5] = Lane;
        target[6] = 0;
        target[7] = 0;
        BinaryPrimitives.WriteUInt32LittleEndian(target[8..], Channel);
    }

    /// <summary>Reads and checks a header against what <paramref name="sender"/> may send.</summary>
    /// <exception cref="ProtocolException">A length, type or reserved byte is out of bounds.</exception>
    public static FrameHeader Read(ReadOnlySpan<byte> source, Role sender)
    {
        var length = BinaryPrimitives.ReadUInt32LittleEndian(source);
        var type = (FrameType)source[4];
        if (type is < FrameType.Hello or > FrameType.Reset) throw Malformed.UnknownFrameType(source[4]);
        if (source[6] != 0 || source[7] != 0) throw Malformed.ReservedBits(type);

        var bound = type == FrameType.Open
            ? OpenPrefix.Size + (sender == Role.Host ? Limits.MaxHostRequest : Limits.MaxGuestRequest)
            : Limits.MaxPayload;
        if (length > bound) throw Malformed.FrameTooLong(type, length, bound);
        return new((int)length, type, source[5], BinaryPrimitives.ReadUInt32LittleEndian(source[8..]));
    }
}

/// <summary>The fixed start of an open frame's payload: kind (1), zero (3), the opener's receive credit (4).</summary>
internal readonly record struct OpenPrefix(ChannelKind Kind, int Credit)
{
    public const int Size = 8;

    public void Write(Span<byte> target)
    {
        target[..4].Clear();
        target[0] = (byte)Kind;
        BinaryPrimitives.WriteInt32LittleEndian(target[4..], Credit);
    }

    public static OpenPrefix Read(ReadOnlySpan<byte> payload)
    {
        if (payload.Length < Size) throw Malformed.FrameTooShort(FrameType.Open, payload.Length, Size);
        var credit = BinaryPrimitives.ReadUInt32LittleEndian(payload[4..]);
        if (credit > Limits.MaxWindow) throw Malformed.CreditOverflow(0, credit);
        return new((ChannelKind)payload[0], (int)credit);
    }
}

/// <summary>Which end of the stream one is.</summary>
public enum Role
{
    Host,
    Guest,
}

/// <summary>What a channel is for; its request and result are in Messages.cs.</summary>
public enum ChannelKind : byte
{
    /// <summary>Host → guest: clock, entropy, identity, disks, network. Once, before anything else.</summary>
    Thaw = 1,

    /// <summary>Host → guest: run a process with pipes.</summary>
    Exec = 2,

    /// <summary>Host → guest: run a process on a pseudo-terminal.</summary>
    Pty = 3,

    /// <summary>Host → guest: unpack a tar stream into a folder.</summary>
    TarIn = 4,

    /// <summary>Host → guest: pack chosen files of a folder into a tar stream.</summary>
    TarOut = 5,

    /// <summary>Guest → host: connect to an address outside; then bytes both ways.</summary>
    Dial = 6,

    /// <summary>Guest → host: DNS messages, each with a two-byte length as over TCP (RFC 1035 section 4.2.2).</summary>
    Dns = 7,

    /// <summary>Host → guest: connect to a port inside; then bytes both ways.</summary>
    Forward = 8,

    /// <summary>Host → guest: sync, unmount, power off.</summary>
    PowerOff = 9,

    /// <summary>Host → guest, instead of thaw: make ready all that does not differ from job to job. A snapshot may follow.</summary>
    Freeze = 10,
}

using System.Buffers.Binary;

namespace RunnerVm.Vmm.Monitor.Mmds;

[Flags]
internal enum TcpFlags : byte
{
    None = 0,
    Fin = 1,
    Syn = 2,
    Reset = 4,
    Push = 8,
    Acknowledge = 16,
}

/// <summary>
/// A TCP segment in an Ethernet frame (RFC 894, 791, 9293), read with every length checked, or written whole. Checksums of
/// the guest are not looked at: it may leave them to a network card, and nothing on this way can damage a byte.
/// </summary>
internal readonly ref struct TcpSegment
{
    public const int EthernetHeader = 14;
    public const int Ipv4Type = 0x0800;
    public const int HeaderBytes = EthernetHeader + 20 + 20;

    /// <summary>What a peer takes that says nothing of it (RFC 9293, 3.7.1).</summary>
    public const ushort DefaultSegmentSize = 536;

    private const byte Tcp = 6;

    private TcpSegment(ReadOnlySpan<byte> tcp, int header, uint source)
    {
        (SourceAddress, SourcePort) = (source, BinaryPrimitives.ReadUInt16BigEndian(tcp));
        DestinationPort = BinaryPrimitives.ReadUInt16BigEndian(tcp[2..]);
        Sequence = BinaryPrimitives.ReadUInt32BigEndian(tcp[4..]);
        Acknowledgement = BinaryPrimitives.ReadUInt32BigEndian(tcp[8..]);
        Flags = (TcpFlags)(tcp[13] & 0x1f);
        Window = BinaryPrimitives.ReadUInt16BigEndian(tcp[14..]);
        Options = tcp[20..header];
        Payload = tcp[header..];
    }

    public uint SourceAddress { get; init; }

    public ushort SourcePort { get; }

    public ushort DestinationPort { get; }

    public uint Sequence { get; init; }

    public uint Acknowledgement { get; init; }

    public TcpFlags Flags { get; init; }

    public ushort Window { get; init; }

    public ReadOnlySpan<byte> Options { get; }

    public ReadOnlySpan<byte> Payload { get; init; }

    /// <summary>Sequence numbers it takes.</summary>
    public uint Length => (uint)Payload.Length + (Flags.HasFlag(TcpFlags.Syn) ? 1u : 0) + (Flags.HasFlag(TcpFlags.Fin) ? 1u : 0);

    /// <summary>Of the peer, from its SYN.</summary>
    public ushort SegmentSize
    {
        get
        {
            var options = Options;
            while (options.Length > 0 && options[0] != 0)
            {
                if (options[0] == 1)
                {
                    options = options[1..];
                    continue;
                }

                if (options.Length < 2 || options[1] < 2 || options[1] > options.Length) break;
                if (options[0] == 2 && options[1] == 4) return BinaryPrimitives.ReadUInt16BigEndian(options[2..]);
                options = options[options[1]..];
            }

            return DefaultSegmentSize;
        }
    }

    /// <param name="unusual">IPv4 that is whole, but not TCP.</param>
    public static bool TryRead(ReadOnlySpan<byte> frame, out TcpSegment segment, out bool unusual)
    {
        segment = default;
        unusual = false;
        if (frame.Length < EthernetHeader + 20) return false;
        var ip = frame[EthernetHeader..];
        var header = (ip[0] & 15) * 4;
        int total = BinaryPrimitives.ReadUInt16BigEndian(ip[2..]);
        if (ip[0] >> 4 != 4 || header < 20 || total < header || total > ip.Length) return false;
        if ((BinaryPrimitives.ReadUInt16BigEndian(ip[6..]) & 0x3fff) != 0) return false; // A fragment: nobody needs one here.
        unusual = ip[9] != Tcp;
        if (unusual) return false;
        var tcp = ip[header..total];
        if (tcp.Length < 20) return false;
        var tcpHeader = (tcp[12] >> 4) * 4;
        if (tcpHeader < 20 || tcpHeader > tcp.Length) return false;
        segment = new(tcp, tcpHeader, BinaryPrimitives.ReadUInt32BigEndian(ip[12..]));
        return true;
    }

    /// <summary>Writes a segment of ours behind an Ethernet header that is there; returns the frame's length.</summary>
    /// <param name="peer">Whom it is for.</param>
    /// <param name="address">Ours.</param>
    /// <param name="port">Ours.</param>
    /// <param name="segmentSize">With a SYN: what we take.</param>
    public static int Write(Span<byte> frame, TcpPeer peer, uint address, ushort port, in TcpSegment segment, ushort segmentSize)
    {
        var options = segment.Flags.HasFlag(TcpFlags.Syn) ? 4 : 0;
        var length = HeaderBytes + options + segment.Payload.Length;
        var ip = frame[EthernetHeader..length];
        ip[..(40 + options)].Clear();
        (ip[0], ip[8], ip[9]) = (0x45, 64, Tcp);
        BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)ip.Length);
        ip[6] = 0x40; // Do not fragment.
        BinaryPrimitives.WriteUInt32BigEndian(ip[12..], address);
        BinaryPrimitives.WriteUInt32BigEndian(ip[16..], peer.Address);
        BinaryPrimitives.WriteUInt16BigEndian(ip[10..], Fold(Sum(ip[..20])));
        var tcp = ip[20..];
        BinaryPrimitives.WriteUInt16BigEndian(tcp, port);
        BinaryPrimitives.WriteUInt16BigEndian(tcp[2..], peer.Port);
        BinaryPrimitives.WriteUInt32BigEndian(tcp[4..], segment.Sequence);
        BinaryPrimitives.WriteUInt32BigEndian(tcp[8..], segment.Acknowledgement);
        (tcp[12], tcp[13]) = ((byte)((20 + options) << 2), (byte)segment.Flags);
        BinaryPrimitives.WriteUInt16BigEndian(tcp[14..], segment.Window);
        if (options > 0)
        {
            (tcp[20], tcp[21]) = (2, 4);
            BinaryPrimitives.WriteUInt16BigEndian(tcp[22..], segmentSize);
        }

        segment.Payload.CopyTo(tcp[(20 + options)..]);
        BinaryPrimitives.WriteUInt16BigEndian(tcp[16..], Fold(Sum(tcp) + Sum(ip[12..20]) + Tcp + (uint)tcp.Length));
        return length;
    }

    private static uint Sum(ReadOnlySpan<byte> bytes)
    {
        uint sum = 0;
        for (; bytes.Length > 1; bytes = bytes[2..]) sum += BinaryPrimitives.ReadUInt16BigEndian(bytes);
        return bytes.Length > 0 ? sum + ((uint)bytes[0] << 8) : sum;
    }

    private static ushort Fold(uint sum)
    {
        while (sum > ushort.MaxValue) sum = (sum & ushort.MaxValue) + (sum >> 16);
        return (ushort)~sum;
    }
}

/// <summary>The other end of a connection.</summary>
/// <param name="Address">IPv4, its first byte the highest.</param>
internal readonly record struct TcpPeer(uint Address, ushort Port);

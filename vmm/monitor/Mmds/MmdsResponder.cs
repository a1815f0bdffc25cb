using System.Buffers.Binary;
using System.Net;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Net;
using RunnerVm.Vmm.Native.Random;

namespace RunnerVm.Vmm.Monitor.Mmds;

/// <summary>
/// The metadata service on a guest's network card: takes the frames for its address and answers them. It knows ARP requests
/// and TCP to port 80; everything else for the address is dropped. There is no other way to it than the guest's own card.
/// </summary>
/// <remarks>
/// Bounded: <see cref="MostConnections"/>, each with 4 KiB of request and one answer; <see cref="MostResets"/> RSTs and one
/// ARP reply that wait for room.
/// </remarks>
internal sealed class MmdsResponder : IFrameResponder
{
    public const int MostConnections = 16;
    public const int MostResets = 32;

    private const int ArpType = 0x0806;
    private const int ArpBytes = 28;
    private const ushort Port = 80;

    /// <summary>Of no vendor: locally administered. The one Firecracker's service has.</summary>
    private static readonly MacAddress Mac = new(0x060123456701);

    private readonly uint _address;
    private readonly TimeProvider _time;
    private readonly MmdsHttp _http;
    private readonly List<TcpConnection> _connections = new(MostConnections);
    private readonly Queue<(TcpPeer Peer, ushort Port, uint Sequence, uint Acknowledgement, TcpFlags Flags)> _resets = new(MostResets);
    private MacAddress _guest;
    private uint? _arpPeer;

    /// <param name="address">What the guest calls.</param>
    /// <param name="counters">May be shared by the services of several cards.</param>
    /// <param name="time">The clock of retransmissions; null: the system's.</param>
    public MmdsResponder(IPAddress address, MmdsDataStore store, MmdsCounters counters, TimeProvider? time = null)
    {
        Counters = counters;
        _address = BinaryPrimitives.ReadUInt32BigEndian(address.GetAddressBytes());
        _time = time ?? TimeProvider.System;
        _http = new(store, Counters);
    }

    public MmdsCounters Counters { get; }

    /// <summary>The service for a network card, or null where it is not configured for it.</summary>
    public static MmdsResponder? For(NetworkInterface card, MmdsConfiguration? configuration, MmdsDataStore store, MmdsCounters counters) =>
        configuration?.NetworkInterfaces.Contains(card.IfaceId) is true ? new(IPAddress.Parse(configuration.Ipv4Address), store, counters) : null;

    public int Connections => _connections.Count;

    public long? Due
    {
        get
        {
            long? due = null;
            foreach (var connection in _connections)
            {
                if (!(due <= connection.Due)) due = connection.Due;
            }

            return due;
        }
    }

    public bool Claims(ReadOnlySpan<byte> head)
    {
        if (head.Length < TcpSegment.EthernetHeader + 20) return false;
        var address = EtherType(head) switch
        {
            ArpType when head.Length >= TcpSegment.EthernetHeader + ArpBytes => 38, // The target of the question.
            TcpSegment.Ipv4Type => 30, // The destination.
            _ => 0,
        };
        return address > 0 && BinaryPrimitives.ReadUInt32BigEndian(head[address..]) == _address;
    }

    public void Deliver(ReadOnlySpan<byte> frame)
    {
        Counters.ReceivedFrames++;
        if (!Claims(frame)) return; // The guest has changed it since.
        _guest = MacAddress.Read(frame[MacAddress.Bytes..]);
        if (EtherType(frame) == ArpType) Ask(frame[TcpSegment.EthernetHeader..]);
        else if (TcpSegment.TryRead(frame, out var segment, out var unusual)) Receive(segment);
        else if (unusual) Counters.Unusual++;
        else Counters.Malformed++;
    }

    public bool TryTake(Span<byte> into, out int length)
    {
        length = TakeArp(into);
        if (length == 0) length = TakeReset(into);
        for (var i = 0; i < _connections.Count && length == 0; i++) length = TakeSegment(into, _connections[0]);
        if (length == 0) return false;
        _guest.Write(into);
        Mac.Write(into[MacAddress.Bytes..]);
        Counters.SentFrames++;
        Counters.SentBytes += length;
        return true;
    }

    public void Reset()
    {
        Counters.ConnectionsDestroyed += _connections.Count;
        _connections.Clear();
        _resets.Clear();
        _arpPeer = null;
    }

    private static int EtherType(ReadOnlySpan<byte> frame) => BinaryPrimitives.ReadUInt16BigEndian(frame[12..]);

    /// <summary>RFC 826: a request of Ethernet for IPv4.</summary>
    private void Ask(ReadOnlySpan<byte> arp)
    {
        if (arp[..8].SequenceEqual<byte>([0, 1, 8, 0, 6, 4, 0, 1])) _arpPeer = BinaryPrimitives.ReadUInt32BigEndian(arp[14..]);
        else Counters.Malformed++;
    }

    private void Receive(in TcpSegment segment)
    {
        var peer = new TcpPeer(segment.SourceAddress, segment.SourcePort);
        if (segment.DestinationPort == Port && Find(peer) is { } connection) connection.Receive(segment);
        else if (segment.DestinationPort == Port && segment.Flags == TcpFlags.Syn && segment.Payload.IsEmpty && MakeRoom()) Open(peer, segment);
        else if (!segment.Flags.HasFlag(TcpFlags.Reset)) Refuse(peer, segment);
    }

    private TcpConnection? Find(TcpPeer peer)
    {
        foreach (var connection in _connections)
        {
            if (connection.Peer == peer) return connection;
        }

        return null;
    }

    private bool MakeRoom()
    {
        Sweep();
        return _connections.Count < MostConnections;
    }

    private void Open(TcpPeer peer, in TcpSegment syn)
    {
        Span<byte> random = stackalloc byte[sizeof(uint)];
        HostRandom.Fill(random);
        var connection = new TcpConnection(peer, BinaryPrimitives.ReadUInt32LittleEndian(random), _http, _time);
        connection.Open(syn);
        _connections.Add(connection);
        Counters.ConnectionsCreated++;
    }

    /// <summary>RFC 9293, 3.5.2: in the words of who should not have spoken.</summary>
    private void Refuse(TcpPeer peer, in TcpSegment segment)
    {
        if (_resets.Count == MostResets) return; // Another try will come.
        _resets.Enqueue(segment.Flags.HasFlag(TcpFlags.Acknowledge)
            ? (peer, segment.DestinationPort, segment.Acknowledgement, 0, TcpFlags.Reset)
            : (peer, segment.DestinationPort, 0, segment.Sequence + segment.Length, TcpFlags.Reset | TcpFlags.Acknowledge));
    }

    private int TakeArp(Span<byte> into)
    {
        if (_arpPeer is not { } peer) return 0;
        _arpPeer = null;
        BinaryPrimitives.WriteUInt16BigEndian(into[12..], ArpType);
        var arp = into.Slice(TcpSegment.EthernetHeader, ArpBytes);
        ReadOnlySpan<byte> reply = [0, 1, 8, 0, 6, 4, 0, 2];
        reply.CopyTo(arp);
        Mac.Write(arp[8..]);
        BinaryPrimitives.WriteUInt32BigEndian(arp[14..], _address);
        _guest.Write(arp[18..]);
        BinaryPrimitives.WriteUInt32BigEndian(arp[24..], peer);
        return TcpSegment.EthernetHeader + ArpBytes;
    }

    private int TakeReset(Span<byte> into)
    {
        if (!_resets.TryDequeue(out var reset)) return 0;
        return Write(into, reset.Peer, reset.Port, new() { Sequence = reset.Sequence, Acknowledgement = reset.Acknowledgement, Flags = reset.Flags });
    }

    /// <summary>One segment of a connection, which then is the last in turn, or gone.</summary>
    private int TakeSegment(Span<byte> into, TcpConnection connection)
    {
        _connections.RemoveAt(0);
        connection.OnTimer();
        var length = connection.TryTake(out var segment) ? Write(into, connection.Peer, Port, segment) : 0;
        if (connection.State == TcpState.Closed) Counters.ConnectionsDestroyed++;
        else _connections.Add(connection);
        return length;
    }

    private int Write(Span<byte> into, TcpPeer peer, ushort port, in TcpSegment segment)
    {
        BinaryPrimitives.WriteUInt16BigEndian(into[12..], TcpSegment.Ipv4Type);
        return TcpSegment.Write(into, peer, _address, port, segment, TcpConnection.LargestSegment);
    }

    private void Sweep() => Counters.ConnectionsDestroyed += _connections.RemoveAll(static connection => connection.State == TcpState.Closed);
}

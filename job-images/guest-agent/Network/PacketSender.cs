using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;

namespace RunnerVm.GuestAgent.Network;

/// <summary>
/// Sends whole IP packets, so that an answer can come from the address that was asked without a socket bound to its
/// port: port 53 stays free for a name server the job may run.
/// </summary>
internal sealed unsafe class PacketSender : IDisposable
{
    private const int UdpHeader = 8, IPv4Header = 20, IPv6Header = 40;
    private const byte Udp = 17, Icmp = 1;

    // Opened by the first packet: many jobs never send one.
    private readonly Lazy<SafeFileHandle> _raw4 = new(() => Raw(NetworkCalls.AF_INET), LazyThreadSafetyMode.PublicationOnly);
    private readonly Lazy<SafeFileHandle> _raw6 = new(() => Raw(NetworkCalls.AF_INET6), LazyThreadSafetyMode.PublicationOnly);

    public void SendUdp(IPEndPoint from, IPEndPoint to, ReadOnlySpan<byte> payload) => Send(UdpPacket(from, to, payload), to.Address);

    /// <summary>ICMP type 3, code 3, about a datagram of IPv4, to who sent it.</summary>
    public void SendPortUnreachable(IPEndPoint sender, IPEndPoint destination, ReadOnlySpan<byte> payload) =>
        Send(PortUnreachable(sender, destination, payload), sender.Address);

    public void Dispose()
    {
        if (_raw4.IsValueCreated) _raw4.Value.Dispose();
        if (_raw6.IsValueCreated) _raw6.Value.Dispose();
    }

    internal static byte[] UdpPacket(IPEndPoint from, IPEndPoint to, ReadOnlySpan<byte> payload)
    {
        var isV4 = from.AddressFamily == AddressFamily.InterNetwork;
        var header = isV4 ? IPv4Header : IPv6Header;
        var packet = new byte[header + UdpHeader + payload.Length];
        var length = UdpHeader + payload.Length;
        if (isV4) WriteIPv4(packet, Udp, from.Address, to.Address, packet.Length);
        else WriteIPv6(packet, from.Address, to.Address, length);
        var udp = packet.AsSpan(header);
        WriteUdpHeader(udp, from.Port, to.Port, length);
        payload.CopyTo(udp[UdpHeader..]);

        // The pseudo header: both addresses, protocol, length (RFC 768, RFC 8200 section 8.1).
        var addresses = isV4 ? packet.AsSpan(12, 8) : packet.AsSpan(8, 32);
        var sum = Checksum(udp, Sum(addresses, Udp + (uint)length));
        BinaryPrimitives.WriteUInt16BigEndian(udp[6..], sum == 0 ? ushort.MaxValue : sum);
        return packet;
    }

    internal static byte[] PortUnreachable(IPEndPoint sender, IPEndPoint destination, ReadOnlySpan<byte> payload)
    {
        const int icmpHeader = 8;
        var packet = new byte[IPv4Header + icmpHeader + IPv4Header + UdpHeader];
        WriteIPv4(packet, Icmp, GuestNetwork.Address, sender.Address, packet.Length);
        var icmp = packet.AsSpan(IPv4Header);
        icmp[0] = 3;
        icmp[1] = 3;
        var quoted = icmp[icmpHeader..];
        WriteIPv4(quoted, Udp, sender.Address, destination.Address, IPv4Header + UdpHeader + payload.Length);
        WriteUdpHeader(quoted[IPv4Header..], sender.Port, destination.Port, UdpHeader + payload.Length);
        BinaryPrimitives.WriteUInt16BigEndian(icmp[2..], Checksum(icmp, 0));
        return packet;
    }

    /// <summary>RFC 1071, over <paramref name="bytes"/> and what <paramref name="start"/> already holds.</summary>
    internal static ushort Checksum(ReadOnlySpan<byte> bytes, uint start)
    {
        var sum = Sum(bytes, start);
        while (sum > 0xFFFF) sum = (sum & 0xFFFF) + (sum >> 16);
        return (ushort)~sum;
    }

    private static uint Sum(ReadOnlySpan<byte> bytes, uint sum)
    {
        for (; bytes.Length >= 2; bytes = bytes[2..]) sum += BinaryPrimitives.ReadUInt16BigEndian(bytes);
        return bytes.IsEmpty ? sum : sum + ((uint)bytes[0] << 8);
    }

    private static void WriteUdpHeader(Span<byte> target, int from, int to, int length)
    {
        BinaryPrimitives.WriteUInt16BigEndian(target, (ushort)from);
        BinaryPrimitives.WriteUInt16BigEndian(target[2..], (ushort)to);
        BinaryPrimitives.WriteUInt16BigEndian(target[4..], (ushort)length);
    }

    private static void WriteIPv4(Span<byte> target, byte protocol, IPAddress from, IPAddress to, int length)
    {
        target[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(target[2..], (ushort)length);
        target[8] = 64;
        target[9] = protocol;
        from.GetAddressBytes().CopyTo(target[12..]);
        to.GetAddressBytes().CopyTo(target[16..]);
        target.Slice(10, 2).Clear();
        BinaryPrimitives.WriteUInt16BigEndian(target[10..], Checksum(target[..IPv4Header], 0));
    }

    private static void WriteIPv6(Span<byte> target, IPAddress from, IPAddress to, int payload)
    {
        target[0] = 0x60;
        BinaryPrimitives.WriteUInt16BigEndian(target[4..], (ushort)payload);
        target[6] = Udp;
        target[7] = 64;
        from.GetAddressBytes().CopyTo(target[8..]);
        to.GetAddressBytes().CopyTo(target[24..]);
    }

    private static SafeFileHandle Raw(int family) => new(NetworkCalls.Socket(family, NetworkCalls.SOCK_RAW, NetworkCalls.IPPROTO_RAW), ownsHandle: true);

    private void Send(byte[] packet, IPAddress to)
    {
        var isV4 = to.AddressFamily == AddressFamily.InterNetwork;
        Span<byte> address = stackalloc byte[28]; // struct sockaddr_in6, or more than a sockaddr_in
        address.Clear();
        address[0] = (byte)(isV4 ? NetworkCalls.AF_INET : NetworkCalls.AF_INET6);
        to.GetAddressBytes().CopyTo(address[(isV4 ? 4 : 8)..]);
        // SAFETY: packet and address are pinned for the length of the call.
        fixed (byte* start = packet, target = address)
        {
            var socket = (int)(isV4 ? _raw4 : _raw6).Value.DangerousGetHandle();
            NetworkCalls.Check(NetworkCalls.sendto(socket, start, (nuint)packet.Length, 0, target, isV4 ? 16u : 28u), $"Cannot send a packet to {to}");
        }
    }
}

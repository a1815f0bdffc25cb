using System.Buffers.Binary;
using System.Net;
using RunnerVm.GuestAgent.Network;
using Xunit;

namespace RunnerVm.Tests.GuestAgent.Network;

public sealed class PacketSenderTests
{
    [Fact]
    public void The_checksum_is_that_of_the_rfc_example()
    {
        // RFC 1071, section 3: 0001 f203 f4f5 f6f7 sums up to ddf2.
        Assert.Equal((ushort)0x220D, PacketSender.Checksum([0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7], 0));
        Assert.Equal((ushort)0xFEFF, PacketSender.Checksum([0x01], 0));
    }

    [Theory]
    [InlineData("203.0.113.9", "10.111.0.2", 20)]
    [InlineData("2001:db8::9", "fd52:766d:1::2", 40)]
    public void A_udp_packet_adds_up_and_holds_both_ends(string from, string to, int header)
    {
        for (var length = 0; length < 40; length++)
        {
            var payload = Enumerable.Range(0, length).Select(i => (byte)(i * 37)).ToArray();
            var packet = PacketSender.UdpPacket(new(IPAddress.Parse(from), 53), new(IPAddress.Parse(to), 40000), payload);
            var udp = packet.AsSpan(header);
            Assert.Equal(53, BinaryPrimitives.ReadUInt16BigEndian(udp));
            Assert.Equal(40000, BinaryPrimitives.ReadUInt16BigEndian(udp[2..]));
            Assert.Equal(8 + length, BinaryPrimitives.ReadUInt16BigEndian(udp[4..]));
            Assert.Equal(payload, udp[8..].ToArray());
            if (header == 20) Assert.Equal(0, PacketSender.Checksum(packet.AsSpan(0, 20), 0));

            // A receiver's sum over pseudo header and datagram, checksum included, is all ones.
            byte[] pseudo = [.. IPAddress.Parse(from).GetAddressBytes(), .. IPAddress.Parse(to).GetAddressBytes(), 0, 17, 0, (byte)(8 + length)];
            Assert.Equal(0, PacketSender.Checksum([.. pseudo, .. udp], 0));
        }
    }

    [Fact]
    public void Port_unreachable_quotes_the_datagram_it_is_about()
    {
        var packet = PacketSender.PortUnreachable(new(IPAddress.Parse("10.111.0.2"), 5000), new(IPAddress.Parse("203.0.113.9"), 443), new byte[100]);
        Assert.Equal((3, 3), (packet[20], packet[21]));
        Assert.Equal(0, PacketSender.Checksum(packet.AsSpan(20), 0));
        Assert.Equal([203, 0, 113, 9], packet.AsSpan(28 + 16, 4).ToArray());
        Assert.Equal(443, BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(28 + 22)));
    }
}

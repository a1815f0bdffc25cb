using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using RunnerVm.GuestAgent.Network;
using Xunit;

namespace RunnerVm.Tests.GuestAgent.Network;

/// <summary>The block is walked as the kernel walks it: by the offsets it gives itself.</summary>
public sealed class PacketFilterTableTests
{
    private sealed record Rule(int Offset, int Protocol, string Match, string Target, byte[] TargetData);

    [Theory]
    [InlineData(AddressFamily.InterNetwork, 112, 88, 80, 16)]
    [InlineData(AddressFamily.InterNetworkV6, 168, 140, 128, 36)]
    public void Four_chains_accept_and_what_leaves_is_redirected(AddressFamily family, int entrySize, int offsets, int protocolAt, int portAt)
    {
        var table = PacketFilterTable.Build(family, tcpPort: 4001, dnsPort: 4002);
        var rules = Walk(table, entrySize, offsets, protocolAt);

        Assert.Equal("nat", Text(table.AsSpan(0, 32)));
        Assert.Equal(0x1b, Int(table, 32));
        Assert.Equal(rules.Count, Int(table, 36));
        Assert.Equal(table.Length - 96, Int(table, 40));
        Assert.Equal(["", "", "", "", "REDIRECT", "REDIRECT", "", "", "ERROR"], rules.Select(static r => r.Target));
        Assert.Equal([0, 0, 0, 0, 6, 17, 0, 0, 0], rules.Select(static r => r.Protocol));
        Assert.Equal("udp", rules[5].Match);
        Assert.Equal((4001, 4002), (Port(rules[4]), Port(rules[5])));
        Assert.All(rules.Where(static r => r.Target.Length == 0), static r => Assert.Equal(-2, Int(r.TargetData, 0)));

        // Chains: prerouting, input, (forward), output, postrouting; each ends with its policy.
        Assert.Equal([rules[0].Offset, rules[1].Offset, 0, rules[2].Offset, rules[7].Offset], Ints(table, 44, 5));
        Assert.Equal([rules[0].Offset, rules[1].Offset, 0, rules[6].Offset, rules[7].Offset], Ints(table, 64, 5));

        int Port(Rule rule) => BinaryPrimitives.ReadUInt16BigEndian(rule.TargetData.AsSpan(portAt));
    }

    [Fact]
    public void Loopback_and_the_guests_own_address_are_left_alone()
    {
        var table = PacketFilterTable.Build(AddressFamily.InterNetwork, 1, 2);
        var rules = Walk(table, 112, 88, 80);
        Assert.Equal("7F000000 FF000000", Destination(table, rules[2].Offset));
        Assert.Equal("0A6F0002 FFFFFFFF", Destination(table, rules[3].Offset));
        Assert.Equal("00000000 00000000", Destination(table, rules[4].Offset));
    }

    private static string Destination(byte[] table, int rule) =>
        $"{Convert.ToHexString(table, 96 + rule + 4, 4)} {Convert.ToHexString(table, 96 + rule + 12, 4)}";

    private static List<Rule> Walk(byte[] table, int entrySize, int offsets, int protocolAt)
    {
        var rules = new List<Rule>();
        for (var at = 96; at < table.Length;)
        {
            var entry = table.AsSpan(at);
            var target = BinaryPrimitives.ReadUInt16LittleEndian(entry[offsets..]);
            var next = BinaryPrimitives.ReadUInt16LittleEndian(entry[(offsets + 2)..]);
            Assert.Equal(next - target, BinaryPrimitives.ReadUInt16LittleEndian(entry[target..]));
            Assert.Equal(0, next % 8);
            rules.Add(new(
                at - 96, BinaryPrimitives.ReadUInt16LittleEndian(entry[protocolAt..]), target > entrySize ? Text(entry.Slice(entrySize + 2, 29)) : "",
                Text(entry.Slice(target + 2, 29)), entry[(target + 32)..next].ToArray()));
            at += next;
        }

        return rules;
    }

    private static string Text(ReadOnlySpan<byte> bytes) => Encoding.ASCII.GetString(bytes[..bytes.IndexOf((byte)0)]);

    private static int Int(byte[] bytes, int at) => BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at));

    private static IEnumerable<int> Ints(byte[] bytes, int at, int count) => Enumerable.Range(0, count).Select(i => Int(bytes, at + (4 * i)));
}

using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace RunnerVm.GuestAgent.Network;

/// <summary>
/// struct ipt_replace or ip6t_replace with its entries: four chains whose policy is to accept, and the rules of what
/// leaves. The two families differ in sizes and in where a field stands.
/// </summary>
internal sealed class PacketFilterTable
{
    private const int ReplaceSize = 96, MatchHeader = 32, TargetHeader = 32;
    private const int Tcp = 6, Udp = 17;
    private const int Prerouting = 0, Input = 1, Output = 3, Postrouting = 4;

    /// <summary>-NF_ACCEPT - 1: how a standard target says accept.</summary>
    private const int Accept = -2;
    private const int PortGiven = 2; // NF_NAT_RANGE_PROTO_SPECIFIED

    private readonly bool _isV4;
    private readonly List<byte> _entries = [];
    private readonly int[] _hooks = new int[5];
    private readonly int[] _underflows = new int[5];
    private int _count;

    private PacketFilterTable(bool isV4) => _isV4 = isV4;

    /// <summary>sizeof(struct ipt_entry) or ip6t_entry, and where in it the offsets of target and next entry stand.</summary>
    private (int Size, int Offsets) Entry => _isV4 ? (112, 88) : (168, 140);

    public static byte[] Build(AddressFamily family, int tcpPort, int dnsPort)
    {
        var table = new PacketFilterTable(family == AddressFamily.InterNetwork);
        table.Chain(Prerouting);
        table.Chain(Input);
        table.Chain(Output, () =>
        {
            // What is the guest's own stays: loopback, and the address programs find on the interface.
            table.Rule(table._isV4 ? IPNetwork.Parse("127.0.0.0/8") : IPNetwork.Parse("::1/128"), 0, [], Verdict(Accept));
            table.Rule(table._isV4 ? new(GuestNetwork.Address, 32) : new(GuestNetwork.Address6, 128), 0, [], Verdict(Accept));
            table.Rule(null, Tcp, [], table.RedirectTo(tcpPort));
            table.Rule(null, Udp, UdpPort(GuestNetwork.DnsPort), table.RedirectTo(dnsPort));
        });
        table.Chain(Postrouting);
        table.Rule(null, 0, [], Target("ERROR", 64, "ERROR"u8));
        return table.Finish();
    }

    private void Chain(int hook, Action? rules = null)
    {
        _hooks[hook] = _entries.Count;
        rules?.Invoke();
        _underflows[hook] = _entries.Count;
        Rule(null, 0, [], Verdict(Accept));
    }

    private void Rule(IPNetwork? destination, int protocol, byte[] match, byte[] target)
    {
        var (size, offsets) = Entry;
        var entry = new byte[size];
        if (destination is { } network)
        {
            // Source, destination, and the masks of both.
            var address = network.BaseAddress.GetAddressBytes();
            address.CopyTo(entry, address.Length);
            Mask(entry.AsSpan(3 * address.Length, address.Length), network.PrefixLength);
        }

        BinaryPrimitives.WriteUInt16LittleEndian(entry.AsSpan(_isV4 ? 80 : 128), (ushort)protocol);
        if (!_isV4 && protocol != 0) entry[131] = 1; // IP6T_F_PROTO
        BinaryPrimitives.WriteUInt16LittleEndian(entry.AsSpan(offsets), (ushort)(size + match.Length));
        BinaryPrimitives.WriteUInt16LittleEndian(entry.AsSpan(offsets + 2), (ushort)(size + match.Length + target.Length));
        _entries.AddRange([.. entry, .. match, .. target]);
        _count++;
    }

    private byte[] Finish()
    {
        var table = new byte[ReplaceSize + _entries.Count];
        "nat"u8.CopyTo(table);
        Write(table, 32, (1 << Prerouting) | (1 << Input) | (1 << Output) | (1 << Postrouting), _count, _entries.Count);
        Write(table, 44, _hooks);
        Write(table, 64, _underflows);
        _entries.CopyTo(table, ReplaceSize);
        return table;
    }

    private static byte[] Verdict(int verdict)
    {
        var target = Target("", 40, []);
        Write(target, TargetHeader, verdict);
        return target;
    }

    /// <summary>For IPv4 a list of one range in the old form, for IPv6 struct nf_nat_range; both mean "this port of loopback".</summary>
    private byte[] RedirectTo(int port)
    {
        var target = Target("REDIRECT", _isV4 ? 56 : 72, []);
        if (_isV4) Write(target, TargetHeader, 1, PortGiven);
        else Write(target, TargetHeader, PortGiven);
        var ports = target.AsSpan(_isV4 ? TargetHeader + 16 : TargetHeader + 36);
        BinaryPrimitives.WriteUInt16BigEndian(ports, (ushort)port);
        BinaryPrimitives.WriteUInt16BigEndian(ports[2..], (ushort)port);
        return target;
    }

    /// <summary>struct xt_entry_match with struct xt_udp: any source port, this destination port.</summary>
    private static byte[] UdpPort(int port)
    {
        var match = Target("udp", 48, []);
        Span<ushort> range = [0, ushort.MaxValue, (ushort)port, (ushort)port];
        for (var i = 0; i < range.Length; i++) BinaryPrimitives.WriteUInt16LittleEndian(match.AsSpan(MatchHeader + (2 * i)), range[i]);
        return match;
    }

    /// <summary>struct xt_entry_target, whose header is that of a match too: size, name, revision; then what is special to it.</summary>
    private static byte[] Target(string name, int size, ReadOnlySpan<byte> rest)
    {
        var target = new byte[size];
        BinaryPrimitives.WriteUInt16LittleEndian(target, (ushort)size);
        System.Text.Encoding.ASCII.GetBytes(name, target.AsSpan(2));
        rest.CopyTo(target.AsSpan(TargetHeader));
        return target;
    }

    private static void Mask(Span<byte> mask, int length)
    {
        for (var bit = 0; bit < length; bit++) mask[bit / 8] |= (byte)(0x80 >> (bit % 8));
    }

    private static void Write(byte[] target, int at, params ReadOnlySpan<int> values)
    {
        for (var i = 0; i < values.Length; i++) BinaryPrimitives.WriteInt32LittleEndian(target.AsSpan(at + (4 * i)), values[i]);
    }
}

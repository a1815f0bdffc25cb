using System.Net;
using System.Net.Sockets;

namespace RunnerVm.Egress;

/// <summary>Whose an address is. Everything but <see cref="Public"/> is shut unless a rule names the address itself.</summary>
internal enum AddressClass
{
    Public,

    /// <summary>One of this host's own, or an address that means "this host".</summary>
    Host,

    /// <summary>Where clouds serve credentials to whoever asks.</summary>
    Metadata,
    Private,
    LinkLocal,
    Multicast,
    Reserved,

    /// <summary>An IPv6 address that carries an IPv4 address of one of the classes above.</summary>
    Embedded,
}

/// <summary>
/// The address plan of the internet as far as it decides what a job may reach: IANA's special-purpose registries, and
/// the metadata services of the clouds. Documentation ranges count as public: nothing answers there.
/// </summary>
internal static class AddressPlan
{
    /// <summary>What the names <c>host</c> and <c>host.runnervm.internal</c> stand for in a guest; never dialled as it is.</summary>
    public static IPAddress HostAlias { get; } = new([198, 18, 0, 1]);

    private static readonly HashSet<IPAddress> MetadataServices =
    [
        IPAddress.Parse("169.254.169.254"), // AWS, Google, Azure, and most others
        IPAddress.Parse("169.254.169.253"), // AWS: resolver
        IPAddress.Parse("169.254.169.123"), // AWS: clock
        IPAddress.Parse("169.254.170.2"), // AWS: container credentials
        IPAddress.Parse("169.254.170.23"), // AWS: pod credentials
        IPAddress.Parse("169.254.0.23"), // Tencent
        IPAddress.Parse("100.100.100.200"), // Alibaba
        IPAddress.Parse("168.63.129.16"), // Azure: a public address with a private meaning
        IPAddress.Parse("192.0.0.192"), // Oracle
        IPAddress.Parse("fd00:ec2::254"),
        IPAddress.Parse("fd00:ec2::253"),
        IPAddress.Parse("fd00:ec2::123"),
        IPAddress.Parse("fd00:ec2::23"),
        IPAddress.Parse("fd20:ce::254"), // Google
        IPAddress.Parse("fd00:42::42"), // Scaleway
    ];

    private static readonly (IPNetwork Range, AddressClass Class)[] Ranges =
    [
        (IPNetwork.Parse("0.0.0.0/8"), AddressClass.Host),
        (IPNetwork.Parse("127.0.0.0/8"), AddressClass.Host),
        (IPNetwork.Parse("10.0.0.0/8"), AddressClass.Private),
        (IPNetwork.Parse("172.16.0.0/12"), AddressClass.Private),
        (IPNetwork.Parse("192.168.0.0/16"), AddressClass.Private),
        (IPNetwork.Parse("100.64.0.0/10"), AddressClass.Private),
        (IPNetwork.Parse("169.254.0.0/16"), AddressClass.LinkLocal),
        (IPNetwork.Parse("192.0.0.0/24"), AddressClass.Reserved),
        (IPNetwork.Parse("192.88.99.0/24"), AddressClass.Reserved), // 6to4 relays, gone
        (IPNetwork.Parse("198.18.0.0/15"), AddressClass.Reserved), // benchmarks; ours in the guest
        (IPNetwork.Parse("224.0.0.0/4"), AddressClass.Multicast),
        (IPNetwork.Parse("240.0.0.0/4"), AddressClass.Reserved), // with the broadcast address
        (IPNetwork.Parse("::/128"), AddressClass.Host),
        (IPNetwork.Parse("::1/128"), AddressClass.Host),
        (IPNetwork.Parse("fc00::/7"), AddressClass.Private),
        (IPNetwork.Parse("fe80::/10"), AddressClass.LinkLocal),
        (IPNetwork.Parse("fec0::/10"), AddressClass.Private), // site-local, gone, still routed by some
        (IPNetwork.Parse("ff00::/8"), AddressClass.Multicast),
        (IPNetwork.Parse("64:ff9b:1::/48"), AddressClass.Reserved), // NAT64 of somebody's own; where the address sits is theirs to say
        (IPNetwork.Parse("100::/64"), AddressClass.Reserved),
        (IPNetwork.Parse("::/8"), AddressClass.Reserved), // after the embedded forms have been looked at
        (IPNetwork.Parse("2001::/32"), AddressClass.Reserved), // Teredo: the address in it is behind a relay
    ];

    /// <summary>IPv4 written as IPv6 becomes IPv4; the rest stays.</summary>
    public static IPAddress Canonical(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;

    /// <param name="address">Canonical or not.</param>
    /// <param name="ofHost">The host's own addresses.</param>
    /// <param name="block">The range that decided, where there is one.</param>
    public static AddressClass Classify(IPAddress address, IReadOnlySet<IPAddress> ofHost, out IPNetwork? block)
    {
        address = Canonical(address);
        block = null;
        if (ofHost.Contains(address)) return AddressClass.Host;
        if (MetadataServices.Contains(address)) return AddressClass.Metadata;
        if (EmbeddedIPv4(address) is { } inner && Classify(inner, ofHost, out _) != AddressClass.Public) return AddressClass.Embedded;

        foreach (var (range, kind) in Ranges)
        {
            if (range.BaseAddress.AddressFamily != address.AddressFamily || !range.Contains(address)) continue;
            if (kind == AddressClass.Reserved && IsNat64(address)) continue;
            block = range;
            return kind;
        }

        return AddressClass.Public;
    }

    /// <summary>The IPv4 address a gateway on the way would deliver to: NAT64, 6to4, IPv4-compatible and -translated, ISATAP.</summary>
    private static IPAddress? EmbeddedIPv4(IPAddress address)
    {
        if (address.AddressFamily != AddressFamily.InterNetworkV6 || address.Equals(IPAddress.IPv6Loopback) || address.Equals(IPAddress.IPv6Any)) return null;
        var bytes = address.GetAddressBytes();
        if (IsNat64(address)) return new(bytes.AsSpan(12));
        if (bytes[0] == 0x20 && bytes[1] == 0x02) return new(bytes.AsSpan(2, 4));
        if (bytes.AsSpan(0, 8).IndexOfAnyExcept((byte)0) < 0) return new(bytes.AsSpan(12));
        var isatap = (bytes[8] & 0xFD) == 0 && bytes[9] == 0 && bytes[10] == 0x5E && bytes[11] == 0xFE;
        return isatap ? new(bytes.AsSpan(12)) : null;
    }

    private static bool IsNat64(IPAddress address) => Nat64.Contains(address);

    private static readonly IPNetwork Nat64 = IPNetwork.Parse("64:ff9b::/96");
}

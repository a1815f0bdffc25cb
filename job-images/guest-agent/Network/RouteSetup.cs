using System.Buffers.Binary;
using System.ComponentModel;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace RunnerVm.GuestAgent.Network;

/// <summary>
/// Gives the guest an interface, addresses, and the route that makes every address local, by rtnetlink(7). The route
/// stands in the main table, where more specific ones win: a bridge of containers keeps its own network.
/// </summary>
internal static class RouteSetup
{
    private const ushort RTM_NEWLINK = 16;
    private const ushort RTM_NEWADDR = 20;
    private const ushort RTM_NEWROUTE = 24;
    private const int LoopbackIndex = 1;
    private const int IFF_UP = 1;

    public static void Apply()
    {
        using var netlink = new NetlinkSocket();
        netlink.Request(Link(create: false, LoopbackIndex, null), "Cannot set lo up");
        var index = CreateInterface(netlink);
        netlink.Request(Address(index, GuestNetwork.Address), "Cannot give the guest its IPv4 address");
        netlink.Request(Address(index, GuestNetwork.Address6), "Cannot give the guest its IPv6 address");
        netlink.Request(LocalRoute(GuestNetwork.Address), "Cannot route all of IPv4 to the agent");
        netlink.Request(LocalRoute(GuestNetwork.Address6), "Cannot route all of IPv6 to the agent");
    }

    /// <summary>
    /// In a gVisor sandbox, where lo is up and takes every address of the networks its own addresses lie in: two networks
    /// of half the address space each.
    /// </summary>
    public static void ApplyToSandbox()
    {
        using var netlink = new NetlinkSocket();
        foreach (var half in GuestNetwork.SandboxHalves) netlink.Request(Address(LoopbackIndex, half, prefixLength: 1), $"Cannot give lo the address {half}");
    }

    /// <summary>Programs look for an interface beside lo before they believe in a network; without the driver lo has to do.</summary>
    private static int CreateInterface(NetlinkSocket netlink)
    {
        // The dummy driver comes with one of this name, unless it is built in and told otherwise.
        if (Index() is var existing and not 0)
        {
            netlink.Request(Link(create: false, existing, null), $"Cannot set {GuestNetwork.InterfaceName} up");
            return existing;
        }

        try
        {
            netlink.Request(Link(create: true, 0, GuestNetwork.InterfaceName), $"Cannot create {GuestNetwork.InterfaceName}");
            return Index();
        }
        catch (Win32Exception)
        {
            return LoopbackIndex;
        }
    }

    private static int Index() => (int)NetworkCalls.if_nametoindex(GuestNetwork.InterfaceName);

    private static NetlinkMessage Link(bool create, int index, string? name)
    {
        var message = new NetlinkMessage(RTM_NEWLINK, create);
        Span<byte> body = stackalloc byte[16]; // struct ifinfomsg
        body.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(body[4..], index);
        BinaryPrimitives.WriteInt32LittleEndian(body[8..], IFF_UP);
        BinaryPrimitives.WriteInt32LittleEndian(body[12..], IFF_UP);
        message.Append(body);
        if (name is null) return message;
        message.Attribute(3, Encoding.ASCII.GetBytes(name + "\0")); // IFLA_IFNAME
        // IFLA_LINKINFO, nested IFLA_INFO_KIND "dummy"
        message.Attribute(18, [9, 0, 1, 0, (byte)'d', (byte)'u', (byte)'m', (byte)'m', (byte)'y', 0, 0, 0]);
        return message;
    }

    private static NetlinkMessage Address(int index, IPAddress address, int? prefixLength = null)
    {
        var message = new NetlinkMessage(RTM_NEWADDR, create: true);
        var bytes = address.GetAddressBytes();
        Span<byte> body = stackalloc byte[8]; // struct ifaddrmsg
        body.Clear();
        body[0] = Family(address);
        body[1] = (byte)(prefixLength ?? bytes.Length * 8);
        body[2] = bytes.Length == 16 ? (byte)2 : (byte)0; // IFA_F_NODAD: there is nobody to ask
        BinaryPrimitives.WriteInt32LittleEndian(body[4..], index);
        message.Append(body);
        message.Attribute(1, bytes); // IFA_ADDRESS
        message.Attribute(2, bytes); // IFA_LOCAL
        return message;
    }

    /// <summary><c>ip route add local 0.0.0.0/0 dev lo src … table main</c>, or the same of IPv6.</summary>
    private static NetlinkMessage LocalRoute(IPAddress source)
    {
        var message = new NetlinkMessage(RTM_NEWROUTE, create: true);
        Span<byte> body = stackalloc byte[12]; // struct rtmsg
        body.Clear();
        body[0] = Family(source);
        body[4] = 254; // RT_TABLE_MAIN
        body[5] = 4; // RTPROT_STATIC
        body[6] = 254; // RT_SCOPE_HOST
        body[7] = 2; // RTN_LOCAL
        message.Append(body);
        Span<byte> device = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(device, LoopbackIndex);
        message.Attribute(4, device); // RTA_OIF
        message.Attribute(7, source.GetAddressBytes()); // RTA_PREFSRC
        return message;
    }

    private static byte Family(IPAddress address) =>
        address.AddressFamily == AddressFamily.InterNetwork ? (byte)NetworkCalls.AF_INET : (byte)NetworkCalls.AF_INET6;
}

using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;

namespace RunnerVm.GuestAgent.Network;

/// <summary>
/// The nat table of a sandbox, written as iptables writes it: one block with the entries of all chains
/// (linux/netfilter_ipv4/ip_tables.h and its IPv6 sister).
/// </summary>
internal static unsafe class PacketFilter
{
    /// <summary>IPT_SO_SET_REPLACE and IP6T_SO_SET_REPLACE.</summary>
    private const int SetReplace = 64;

    /// <summary>Sends what leaves by TCP, and look-ups over UDP, to these ports of loopback.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">The kernel refused the table.</exception>
    public static void Redirect(int family, int tcpPort, int dnsPort)
    {
        var isV4 = family == NetworkCalls.AF_INET;
        var table = PacketFilterTable.Build(isV4 ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6, tcpPort, dnsPort);
        using var socket = new SafeFileHandle(NetworkCalls.Socket(family, NetworkCalls.SOCK_RAW, NetworkCalls.IPPROTO_RAW), ownsHandle: true);
        // SAFETY: pinned for the length of the call, with its true length; the counters' address in it is null and their number 0.
        fixed (byte* start = table)
        {
            NetworkCalls.Check(
                NetworkCalls.setsockopt((int)socket.DangerousGetHandle(), isV4 ? NetworkCalls.SOL_IP : NetworkCalls.SOL_IPV6, SetReplace, start, (uint)table.Length),
                "Cannot redirect the sandbox's connections");
        }
    }
}

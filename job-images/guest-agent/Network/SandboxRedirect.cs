using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Network;

/// <summary>
/// The redirect in a gVisor sandbox, whose network stack has neither local routes nor BPF: addresses with the shortest
/// prefixes make lo take every address, and two rules of its packet filter send TCP and DNS to the agent's sockets.
/// A job that removes them has no other way out: there is only lo.
/// </summary>
internal static class SandboxRedirect
{
    private const int Backlog = 4096;

    /// <summary>getsockopt's name for the address a redirected connection was made to, in both families (linux/netfilter_ipv4.h).</summary>
    private const int SO_ORIGINAL_DST = 80;

    /// <summary>Called once, by thaw. All of it lives as long as the process.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">The sandbox's kernel lacks something; the message says what.</exception>
    public static void Start(GuestConnection connection)
    {
        RouteSetup.ApplyToSandbox();
        var tcp = new TcpRedirect(connection, OriginalDestination);
        var dns = new DnsListener(new DnsPipe(connection));
        PacketFilter.Redirect(NetworkCalls.AF_INET, Listen(tcp, IPAddress.Loopback), dns.Listen(IPAddress.Loopback));
        PacketFilter.Redirect(NetworkCalls.AF_INET6, Listen(tcp, IPAddress.IPv6Loopback), dns.Listen(IPAddress.IPv6Loopback));
    }

    private static int Listen(TcpRedirect redirect, IPAddress address)
    {
        var listener = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(address, 0));
        listener.Listen(Backlog);
        redirect.Serve(listener);
        return ((IPEndPoint)listener.LocalEndPoint!).Port;
    }

    private static IPEndPoint OriginalDestination(Socket socket)
    {
        var isV4 = socket.AddressFamily == AddressFamily.InterNetwork;
        Span<byte> name = stackalloc byte[28]; // struct sockaddr_in or sockaddr_in6
        socket.GetRawSocketOption(isV4 ? NetworkCalls.SOL_IP : NetworkCalls.SOL_IPV6, SO_ORIGINAL_DST, name);
        return new(new IPAddress(isV4 ? name.Slice(4, 4) : name.Slice(8, 16)), BinaryPrimitives.ReadUInt16BigEndian(name[2..]));
    }
}

using System.Net;
using System.Net.Sockets;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Network;

/// <summary>
/// Accepts what the steering sends here and opens a channel for each connection: dial, or dns for the DNS port, since
/// DNS over TCP has the same framing as a dns channel.
/// </summary>
internal sealed class TcpRedirect(GuestConnection connection)
{
    private const int Backlog = 4096;

    public void Start(SocketSteering steering)
    {
        var listener = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp) { DualMode = true };
        // Answers carry the address that was dialled, which is not the guest's: only a transparent socket may do that.
        listener.SetRawSocketOption(NetworkCalls.SOL_IPV6, NetworkCalls.IPV6_TRANSPARENT, BitConverter.GetBytes(1));
        listener.Bind(new IPEndPoint(IPAddress.IPv6Any, 0));
        listener.Listen(Backlog);
        steering.SetSocket(SocketSteering.TcpSlot, (int)listener.Handle);
        _ = AcceptAsync(listener);
    }

    /// <summary>Ends only with the process; each connection ends itself.</summary>
    private async Task AcceptAsync(Socket listener)
    {
        while (true)
        {
            try
            {
                _ = ServeAsync(await listener.AcceptAsync());
            }
            catch (SocketException)
            {
                // Out of descriptors, or a connection gone before it was taken. The backlog keeps the others.
                await Task.Delay(20);
            }
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        try
        {
            var wanted = (IPEndPoint)socket.LocalEndPoint!;
            var address = wanted.Address.IsIPv4MappedToIPv6 ? wanted.Address.MapToIPv4() : wanted.Address;
            if (IPAddress.IsLoopback(address))
            {
                // Somebody found the listener's own port.
                SocketRelay.ResetSocket(socket);
                return;
            }

            socket.NoDelay = true;
            await using var channel = wanted.Port == GuestNetwork.DnsPort ? connection.Open(ChannelKind.Dns, []) : Dial(address, wanted.Port);
            await SocketRelay.RunAsync(socket, channel, started: null, CancellationToken.None);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            SocketRelay.ResetSocket(socket);
        }
    }

    private GuestChannel Dial(IPAddress address, int port)
    {
        var request = new DialRequest { Address = new IPAddress(address.GetAddressBytes()).ToString(), Port = port };
        return connection.Open(ChannelKind.Dial, Messages.Write(request, Messages.Default.DialRequest));
    }
}

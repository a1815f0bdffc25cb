using System.Net;
using System.Net.Sockets;
using RunnerVm.GuestAgent.Native;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Network;

/// <summary>
/// Accepts what the steering sends here and opens a channel for each connection: dial, or dns for the DNS port, since
/// DNS over TCP has the same framing as a dns channel.
/// </summary>
/// <param name="destination">Where an accepted connection wanted to go; where nothing rewrites it, that is the socket's own name.</param>
internal sealed class TcpRedirect(GuestConnection connection, Func<Socket, IPEndPoint>? destination = null)
{
    private const int Backlog = 4096;
    private const int RetryMilliseconds = 20;
    private const int ThreadStack = 256 * 1024;

    private readonly List<Socket> _listeners = [];

    /// <summary>
    /// Listens by bare calls and takes connections on a thread of its own: the runtime's sockets, with the engine that
    /// polls for them, are much code to run before the first step of a job that may never connect anywhere.
    /// </summary>
    public void Start(SocketSteering steering)
    {
        var fd = NetworkCalls.Socket(NetworkCalls.AF_INET6, NetworkCalls.SOCK_STREAM, 0);
        NetworkCalls.SetOption(fd, NetworkCalls.SOL_IPV6, NetworkCalls.IPV6_V6ONLY, 0);
        // Answers carry the address that was dialled, which is not the guest's: only a transparent socket may do that.
        NetworkCalls.SetOption(fd, NetworkCalls.SOL_IPV6, NetworkCalls.IPV6_TRANSPARENT, 1);
        NetworkCalls.BindAny(fd, NetworkCalls.AF_INET6);
        NetworkCalls.Check(NetworkCalls.listen(fd, Backlog), "Cannot listen for the redirect");
        steering.SetSocket(SocketSteering.TcpSlot, fd);
        new Thread(() => Accept(fd), ThreadStack) { IsBackground = true, Name = "tcp" }.Start();
    }

    /// <summary>Serves what a socket that listens takes. Owned.</summary>
    public void Serve(Socket listener)
    {
        // Kept, or it would be closed as soon as nothing here names it.
        _listeners.Add(listener);
        new Thread(() => Accept((int)listener.Handle), ThreadStack) { IsBackground = true, Name = "tcp" }.Start();
    }

    /// <summary>Ends only with the process; each connection ends itself.</summary>
    private unsafe void Accept(int listener)
    {
        while (true)
        {
            var fd = NetworkCalls.accept4(listener, null, null, NetworkCalls.SOCK_CLOEXEC);
            if (fd >= 0) Take(fd);
            // Out of descriptors, or a connection gone before it was taken. The backlog keeps the others.
            else KernelFile.Pause(RetryMilliseconds);
        }
    }

    private void Take(int fd)
    {
        var handle = new SafeSocketHandle(fd, ownsHandle: true);
        try
        {
            var socket = new Socket(handle);
            _ = Task.Run(() => ServeAsync(socket));
        }
        catch (SocketException)
        {
            // Gone between its arrival and the first look at it.
            handle.Dispose();
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        try
        {
            var wanted = destination is null ? (IPEndPoint)socket.LocalEndPoint! : destination(socket);
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

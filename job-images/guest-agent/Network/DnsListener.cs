using System.Net;
using System.Net.Sockets;

namespace RunnerVm.GuestAgent.Network;

/// <summary>
/// Where a sandbox's look-ups over UDP arrive by its packet filter, which also gives the answers the address that was
/// asked: that works only for sockets bound to the address they are redirected to.
/// </summary>
internal sealed class DnsListener
{
    private const int MaximumDatagram = 65_535;
    private const int ThreadStack = 256 * 1024;

    private readonly DnsPipe _dns;
    private readonly Dictionary<AddressFamily, Socket> _sockets = [];

    public DnsListener(DnsPipe dns)
    {
        _dns = dns;
        dns.Answered += Answer;
    }

    /// <returns>The port.</returns>
    public int Listen(IPAddress address)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(address, 0));
        _sockets[address.AddressFamily] = socket;
        new Thread(() => Receive(socket), ThreadStack) { IsBackground = true, Name = "dns" }.Start();
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private void Receive(Socket socket)
    {
        var buffer = GC.AllocateUninitializedArray<byte>(MaximumDatagram);
        var here = (IPEndPoint)socket.LocalEndPoint!;
        while (true)
        {
            try
            {
                EndPoint from = here;
                var length = socket.ReceiveFrom(buffer, ref from);
                _dns.Ask(buffer.AsSpan(0, length), (IPEndPoint)from, here);
            }
            catch (SocketException)
            {
                // An answer that found nobody comes back as an error of the next call.
            }
            catch (IOException)
            {
                // The stream to the host is gone, and so is this sandbox in a moment.
                return;
            }
        }
    }

    private void Answer(byte[] answer, IPEndPoint from, IPEndPoint to)
    {
        try
        {
            _sockets[to.AddressFamily].SendTo(answer, to);
        }
        catch (SocketException)
        {
            // A datagram may be lost; its receiver asks again.
        }
    }
}

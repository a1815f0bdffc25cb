using System.Buffers.Binary;
using System.ComponentModel;
using System.Net;
using Microsoft.Win32.SafeHandles;

namespace RunnerVm.GuestAgent.Network;

/// <summary>
/// Takes the datagrams the steering sends here. Those to the DNS port become look-ups; the rest, of IPv4 only, are
/// answered with "port unreachable", which the kernel cannot send by itself from an address that is not its own, and
/// without which QUIC and the like would wait instead of falling back to TCP.
/// </summary>
internal sealed unsafe class UdpRedirect(DnsPipe dns, PacketSender sender)
{
    private const int MaximumDatagram = 65_535;
    private const int ThreadStack = 256 * 1024;

    public void Start(SocketSteering steering)
    {
        dns.Answered += OnAnswer;
        Receive(NetworkCalls.AF_INET, SocketSteering.Udp4Slot, steering);
        Receive(NetworkCalls.AF_INET6, SocketSteering.Udp6Slot, steering);
    }

    private void Receive(int family, int slot, SocketSteering steering)
    {
        var socket = NetworkCalls.Socket(family, NetworkCalls.SOCK_DGRAM, 0);
        if (family == NetworkCalls.AF_INET6) NetworkCalls.SetOption(socket, NetworkCalls.SOL_IPV6, NetworkCalls.IPV6_V6ONLY, 1);
        if (family == NetworkCalls.AF_INET) NetworkCalls.SetOption(socket, NetworkCalls.SOL_IP, NetworkCalls.IP_RECVORIGDSTADDR, 1);
        else NetworkCalls.SetOption(socket, NetworkCalls.SOL_IPV6, NetworkCalls.IPV6_RECVORIGDSTADDR, 1);
        NetworkCalls.BindAny(socket, family);
        steering.SetSocket(slot, socket);
        var owned = new SafeFileHandle(socket, ownsHandle: true);
        new Thread(() => Loop(owned), ThreadStack) { IsBackground = true, Name = "udp" }.Start();
    }

    private void Loop(SafeFileHandle socket)
    {
        using var owned = socket;
        var buffer = GC.AllocateUninitializedArray<byte>(MaximumDatagram);
        while (true)
        {
            try
            {
                var length = ReceiveOne((int)socket.DangerousGetHandle(), buffer, out var from, out var to);
                if (length < 0 || to is null) continue;
                if (to.Port == GuestNetwork.DnsPort) dns.Ask(buffer.AsSpan(0, length), from, to);
                else sender.SendPortUnreachable(from, to, buffer.AsSpan(0, length));
            }
            catch (Win32Exception)
            {
                // One datagram that could not be answered; its sender asks again.
            }
            catch (IOException)
            {
                // The stream to the host is gone, and so is this machine in a moment.
                return;
            }
        }
    }

    private void OnAnswer(byte[] answer, IPEndPoint from, IPEndPoint to)
    {
        try
        {
            sender.SendUdp(from, to, answer);
        }
        catch (Win32Exception)
        {
            // A datagram may be lost; its receiver asks again.
        }
    }

    /// <summary>One datagram with both ends: who sent it, and where to.</summary>
    private static int ReceiveOne(int socket, byte[] buffer, out IPEndPoint from, out IPEndPoint? to)
    {
        const int controlSize = 128;
        var name = stackalloc byte[28];
        var control = stackalloc byte[controlSize];
        // SAFETY: all pointers are to the stack or pinned for the length of the call, with their true lengths.
        fixed (byte* data = buffer)
        {
            var vector = new NetworkCalls.IoVector { iov_base = data, iov_len = (nuint)buffer.Length };
            var message = new NetworkCalls.MessageHeader
            {
                msg_name = name, msg_namelen = 28, msg_iov = &vector, msg_iovlen = 1, msg_control = control, msg_controllen = controlSize,
            };
            var length = NetworkCalls.Check(NetworkCalls.recvmsg(socket, &message, 0), "Cannot receive a datagram");
            from = ReadAddress(new ReadOnlySpan<byte>(name, 28));
            to = FindDestination(new ReadOnlySpan<byte>(control, (int)message.msg_controllen));
            return length;
        }
    }

    private static IPEndPoint? FindDestination(ReadOnlySpan<byte> control)
    {
        var headerSize = sizeof(NetworkCalls.ControlHeader);
        while (control.Length >= headerSize)
        {
            var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(control);
            if (length < headerSize || length > control.Length) return null;
            var type = BinaryPrimitives.ReadInt32LittleEndian(control[12..]);
            if (type is NetworkCalls.IP_RECVORIGDSTADDR or NetworkCalls.IPV6_RECVORIGDSTADDR) return ReadAddress(control[headerSize..length]);
            control = control[Math.Min((length + 7) & ~7, control.Length)..];
        }

        return null;
    }

    /// <summary>struct sockaddr_in or sockaddr_in6.</summary>
    private static IPEndPoint ReadAddress(ReadOnlySpan<byte> address)
    {
        var port = BinaryPrimitives.ReadUInt16BigEndian(address[2..]);
        return BinaryPrimitives.ReadUInt16LittleEndian(address) == NetworkCalls.AF_INET
            ? new(new IPAddress(address.Slice(4, 4)), port)
            : new(new IPAddress(address.Slice(8, 16)), port);
    }
}

using System.Buffers;
using System.Net;
using System.Net.Sockets;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Channels;

/// <summary>Connects to a port on the guest's loopback and carries bytes both ways, each direction ending on its own.</summary>
internal static class ForwardPipe
{
    public static async Task RunAsync(GuestChannel channel)
    {
        var request = Messages.Read(channel.Request, Messages.Default.ForwardRequest);
        if (request.Port is < 1 or > ushort.MaxValue)
        {
            channel.Reset($"{request.Port} is not a port.");
            return;
        }

        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, request.Port));
        }
        catch (SocketException e)
        {
            channel.Reset($"Nothing in the guest answers on port {request.Port} ({e.SocketErrorCode}).");
            return;
        }

        try
        {
            await Task.WhenAll(ToSocketAsync(channel, socket), ToHostAsync(channel, socket));
        }
        catch (Exception e) when (e is SocketException or ChannelResetException)
        {
            // A TCP reset on one side is a reset on the other.
            channel.Reset(e.Message);
            socket.Close(timeout: 0);
        }
    }

    private static async Task ToSocketAsync(GuestChannel channel, Socket socket)
    {
        try
        {
            while (await channel.ReadAsync() is { } received)
            {
                var rest = received.Bytes;
                while (!rest.IsEmpty) rest = rest[await socket.SendAsync(rest)..];
            }

            socket.Shutdown(SocketShutdown.Send);
        }
        catch (ChannelResetException)
        {
            socket.Close(timeout: 0);
            throw;
        }
    }

    private static async Task ToHostAsync(GuestChannel channel, Socket socket)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Limits.MaxPayload);
        try
        {
            for (var count = await socket.ReceiveAsync(buffer); count > 0; count = await socket.ReceiveAsync(buffer))
            {
                await channel.WriteAsync(buffer.AsMemory(0, count));
            }

            channel.End();
        }
        catch (SocketException e)
        {
            channel.Reset(e.Message);
            throw;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}

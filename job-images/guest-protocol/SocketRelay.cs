using System.Buffers;
using System.Net.Sockets;

namespace RunnerVm.GuestProtocol;

/// <summary>How a relayed connection ended.</summary>
/// <param name="BytesToSocket">Bytes the socket took from the channel.</param>
/// <param name="BytesToChannel">Bytes the channel took from the socket.</param>
/// <param name="Failure">Null when both directions ended by themselves; otherwise why not, in a few words.</param>
public readonly record struct RelayResult(long BytesToSocket, long BytesToChannel, string? Failure);

/// <summary>
/// Joins a connected TCP socket and a channel until both directions have ended: FIN and end frames become each other,
/// so do resets, and neither side is read faster than the other takes it. Used at both ends of dial and forward.
/// </summary>
public sealed class SocketRelay
{
    private const int BufferSize = 64 * 1024;

    private readonly Socket _socket;
    private readonly GuestChannel _channel;
    private long _toSocket;
    private long _toChannel;
    private string? _failure;
    private volatile bool _socketEnded;

    private SocketRelay(Socket socket, GuestChannel channel) => (_socket, _channel) = (socket, channel);

    /// <summary>Bytes so far in both directions, for whoever has to report an unfinished connection.</summary>
    public (long ToSocket, long ToChannel) Progress => (Interlocked.Read(ref _toSocket), Interlocked.Read(ref _toChannel));

    /// <summary>Relays until the end and closes the socket; the caller still disposes the channel.</summary>
    /// <param name="started">Gets the relay before the first byte, to watch <see cref="Progress"/>.</param>
    /// <param name="cancellationToken">Resets both sides.</param>
    public static async Task<RelayResult> RunAsync(
        Socket socket, GuestChannel channel, Action<SocketRelay>? started, CancellationToken cancellationToken)
    {
        var relay = new SocketRelay(socket, channel);
        started?.Invoke(relay);
        await using var registration = cancellationToken.Register(() => relay.Abort("cancelled"));
        _ = channel.Result.ContinueWith(relay.OnChannelOver, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        await Task.WhenAll(relay.CopyToSocketAsync(), relay.CopyToChannelAsync());
        if (relay._failure is null) socket.Dispose();
        else relay.ResetBoth();
        return new(relay._toSocket, relay._toChannel, relay._failure);
    }

    /// <summary>Closes a TCP socket so that its peer sees a reset, not an end.</summary>
    public static void ResetSocket(Socket socket)
    {
        try
        {
            socket.LingerState = new LingerOption(true, 0);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It is closed or was never connected: there is nobody to tell.
        }

        socket.Dispose();
    }

    private async Task CopyToSocketAsync()
    {
        try
        {
            while (await _channel.ReadAsync() is { } piece)
            {
                if (piece.Lane != 0) throw new ChannelResetException("data in a lane that does not exist");
                var rest = piece.Bytes;
                while (!rest.IsEmpty)
                {
                    var sent = await _socket.SendAsync(rest, SocketFlags.None);
                    Interlocked.Add(ref _toSocket, sent);
                    rest = rest[sent..];
                }
            }

            _socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException)
        {
            // After the socket's own end its peer may be gone for good; that is the same end, seen from the other side.
            Abort(Describe(e));
        }
    }

    private async Task CopyToChannelAsync()
    {
        byte[]? buffer = null;
        try
        {
            while (true)
            {
                if (buffer is null)
                {
                    // Waits without a buffer: thousands of idle connections must not hold one each.
                    await _socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None);
                    buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
                }

                var received = await _socket.ReceiveAsync(buffer.AsMemory(0, BufferSize), SocketFlags.None);
                if (received == 0) break;
                await _channel.WriteAsync(buffer.AsMemory(0, received));
                Interlocked.Add(ref _toChannel, received);
                if (received >= BufferSize / 4) continue;
                ArrayPool<byte>.Shared.Return(buffer);
                buffer = null;
            }

            _socketEnded = true;
            _channel.End();
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException)
        {
            Abort(Describe(e));
        }
        finally
        {
            if (buffer is not null) ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>A reset is seen by whoever reads or writes the channel; this is for the time when neither does.</summary>
    private void OnChannelOver(Task<byte[]> result)
    {
        if (_socketEnded) return;
        Abort(result.Exception?.InnerException?.Message ?? "the channel was closed");
    }

    /// <summary>Ends both directions at once; the first reason stays.</summary>
    private void Abort(string reason)
    {
        if (Interlocked.CompareExchange(ref _failure, reason, null) is null) ResetBoth();
    }

    private void ResetBoth()
    {
        ResetSocket(_socket);
        _channel.Reset(_failure ?? "the connection ended");
    }

    private static string Describe(Exception e) => e switch
    {
        SocketException socket => DescribeError(socket.SocketErrorCode),
        _ => e.Message,
    };

    /// <summary>In the words of strerror(3), where the runtime may have none of its own.</summary>
    public static string DescribeError(SocketError error) => error switch
    {
        SocketError.ConnectionRefused => "connection refused",
        SocketError.ConnectionReset or SocketError.ConnectionAborted => "connection reset by peer",
        SocketError.Shutdown => "broken pipe",
        SocketError.TimedOut => "connection timed out",
        SocketError.NetworkUnreachable => "network is unreachable",
        SocketError.HostUnreachable => "no route to host",
        SocketError.TooManyOpenSockets => "too many open files on the host",
        SocketError.AddressNotAvailable => "address not available",
        SocketError.AccessDenied => "permission denied",
        _ => error.ToString(),
    };
}

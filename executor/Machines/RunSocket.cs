using System.Net.Sockets;
using System.Text;

namespace RunnerVm.Machines;

/// <summary>
/// A Unix socket in a machine's run directory that one engine process connects to once. Its name is gone as soon as
/// that has happened, so nothing else can connect and nothing is left behind.
/// </summary>
internal sealed class RunSocket : IDisposable
{
    /// <summary>sizeof(sockaddr_un.sun_path) less the terminating zero, unix(7).</summary>
    public const int MaxPathBytes = 107;

    private readonly Socket _listener;

    private RunSocket(string path, Socket listener) => (Path, _listener) = (path, listener);

    public string Path { get; }

    /// <exception cref="MachineException">The path is too long or cannot be bound.</exception>
    public static RunSocket Listen(string path)
    {
        var length = Encoding.UTF8.GetByteCount(path);
        if (length > MaxPathBytes)
            throw new MachineException(
                $"Cannot listen on {path}: its path has {length} bytes and a Unix socket's may have {MaxPathBytes}. "
                + "Set RUNNERVM_HOME to a shorter folder.");

        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            listener.Bind(new UnixDomainSocketEndPoint(path));
            listener.Listen(1);
            return new(path, listener);
        }
        catch (SocketException e)
        {
            listener.Dispose();
            throw new MachineException($"Cannot listen on {path}: {e.Message}. Check that its folder is there and writable.", e);
        }
    }

    /// <summary>The other way round: to a socket the engine listens at.</summary>
    /// <exception cref="SocketException">Nobody does.</exception>
    public static async Task<NetworkStream> ConnectAsync(string path, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Waits for the one connection and removes the name.</summary>
    public async Task<NetworkStream> AcceptAsync(CancellationToken cancellationToken)
    {
        var connection = await _listener.AcceptAsync(cancellationToken);
        Dispose();
        return new NetworkStream(connection, ownsSocket: true);
    }

    public void Dispose()
    {
        _listener.Dispose();
        File.Delete(Path);
    }
}

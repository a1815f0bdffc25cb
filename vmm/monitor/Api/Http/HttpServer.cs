using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Monitor.Api.Http;

/// <summary>
/// A server of HTTP/1.1 on a Unix socket: one thread, as many connections as Firecracker's, none of which can hold up
/// another one but by the request that is being answered.
/// </summary>
internal sealed class HttpServer : IDisposable
{
    /// <summary>Firecracker's.</summary>
    public const int MostConnections = 10;

    private const ulong ListenerToken = 0;
    private const ulong StopToken = 1;
    private readonly string _path;
    private readonly int _mostBody;
    private readonly Epoll _epoll = new();
    private readonly EventFd _stop = new();
    private readonly FileDescriptor _listener;
    private readonly Dictionary<ulong, HttpConnection> _connections = [];
    private ulong _lastToken = StopToken;

    /// <summary>Listens when this returns; a client that connects now is served as soon as <see cref="Run"/> runs.</summary>
    /// <exception cref="LinuxException">With what to do about it.</exception>
    public HttpServer(string path, int mostBody)
    {
        (_path, _mostBody) = (path, mostBody);
        _listener = Listen(path);
        _epoll.Add(_listener, EpollEvents.Readable, ListenerToken);
        _epoll.Add(_stop.Descriptor, EpollEvents.Readable, StopToken);
    }

    /// <summary>On the API thread; returns after <see cref="Stop"/>.</summary>
    public void Run(HttpHandler handler)
    {
        while (true)
        {
            var count = _epoll.Wait();
            var someoneCame = false;
            for (var i = 0; i < count; i++)
            {
                var token = _epoll[i].Token;
                if (token == StopToken) return;
                if (token == ListenerToken) someoneCame = true;
                else if (_connections.TryGetValue(token, out var connection)) Serve(token, connection, handler);
            }

            // Who came after others had gone finds their places free.
            if (someoneCame) Accept();
        }
    }

    /// <summary>Any thread. What is written already reaches its reader.</summary>
    public void Stop() => _stop.Signal();

    /// <summary>After <see cref="Run"/> has returned, or never ran. Removes the socket's file.</summary>
    public void Dispose()
    {
        foreach (var connection in _connections.Values) connection.Dispose();
        _connections.Clear();
        _listener.Dispose();
        _epoll.Dispose();
        _stop.Dispose();
        File.Delete(_path);
    }

    private static FileDescriptor Listen(string path)
    {
        try
        {
            return UnixSocket.Listen(path);
        }
        catch (LinuxException cause) when (cause.Errno is LibC.EADDRINUSE or LibC.ENAMETOOLONG or LibC.ENOENT or LibC.EACCES)
        {
            throw new LinuxException($"open the API socket {path}", cause.Errno, cause.Errno switch
            {
                LibC.EADDRINUSE => "Remove the file if no other process listens there, or give another --api-sock.",
                LibC.ENAMETOOLONG => $"A Unix socket's path may have {UnixSocket.LongestPath} bytes: give a shorter --api-sock.",
                LibC.ENOENT => "Make its folder first, or give another --api-sock.",
                _ => "Let this user write to its folder, or give another --api-sock.",
            });
        }
    }

    private void Accept()
    {
        while (UnixSocket.TryAccept(_listener) is { } socket)
        {
            var connection = new HttpConnection(socket, _mostBody);
            if (_connections.Count >= MostConnections)
            {
                connection.End(HttpResponse.Fault($"Too many open connections: {MostConnections} are open. Close one first.", 503));
                connection.Dispose();
                continue;
            }

            var token = ++_lastToken;
            _connections.Add(token, connection);
            _epoll.Add(socket, EpollEvents.Readable, token);
        }
    }

    private void Serve(ulong token, HttpConnection connection, HttpHandler handler)
    {
        var wanted = connection.Wanted;
        connection.Serve(handler);
        if (connection.Finished)
        {
            _connections.Remove(token);
            _epoll.Remove(connection.Socket);
            connection.Dispose();
        }
        else if (connection.Wanted != wanted)
        {
            _epoll.Change(connection.Socket, connection.Wanted, token);
        }
    }
}

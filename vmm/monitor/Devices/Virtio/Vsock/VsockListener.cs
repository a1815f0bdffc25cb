using System.Text;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;

/// <summary>
/// The host's side, by Firecracker's convention: a Unix socket where the host asks for the guest's ports, and beside it, by
/// path and port, the sockets of those who listen for the guest. The file is there from the beginning; who connects before
/// the guest's driver is ready waits in the backlog.
/// </summary>
internal sealed class VsockListener : IDisposable
{
    private readonly string _path;
    private readonly FileDescriptor _socket;
    private readonly HashSet<VsockHandshake> _handshakes = [];
    private FileDescriptor? _spare = UnixSocket.TryCreate();
    private Watch? _watch;
    private IDeviceHost? _host;
    private VsockMultiplexer? _multiplexer;
    private Action _changed = static () => { };

    /// <exception cref="VmmFaultException">The socket cannot be made.</exception>
    public VsockListener(string path)
    {
        _path = path;
        if (path.Length == 0) throw Fault(path, "it is empty", "Give a path for a new socket");
        var bytes = Encoding.UTF8.GetByteCount(path);
        if (bytes > UnixSocket.LongestPath)
            throw Fault(path, $"it has {bytes} bytes and a Unix socket's path at most {UnixSocket.LongestPath}", "Choose a shorter one, or a relative one");
        try
        {
            _socket = UnixSocket.Listen(path);
        }
        catch (LinuxException problem)
        {
            throw Fault(path, problem.Problem, Advice(problem.Errno, path), problem);
        }
    }

    /// <summary>The guest's driver is ready.</summary>
    /// <param name="changed">Called on the loop after a host has asked for a port.</param>
    public void Start(IDeviceHost host, VsockMultiplexer multiplexer, Action changed)
    {
        (_host, _multiplexer, _changed) = (host, multiplexer, changed);
        _watch = host.Watch(_socket, EpollEvents.Readable, _ => Accept());
    }

    /// <summary>Nobody is let in until <see cref="Start"/>.</summary>
    public void Stop()
    {
        _watch?.Dispose();
        _watch = null;
        foreach (var handshake in _handshakes) handshake.Dispose();
        _handshakes.Clear();
    }

    /// <summary>Null when nobody listens for the guest's connections to <paramref name="port"/>.</summary>
    public FileDescriptor? Connect(uint port) => UnixSocket.TryConnect($"{_path}_{port}");

    public void Dispose()
    {
        Stop();
        _socket.Dispose();
        _spare?.Dispose();
        File.Delete(_path);
    }

    private void Accept()
    {
        if (UnixSocket.TryAccept(_socket) is not { } stream)
        {
            RefuseWithoutDescriptors();
            return;
        }

        if (_handshakes.Count + _multiplexer!.Count >= VsockMultiplexer.MostConnections)
        {
            stream.Dispose(); // The host reads the end at once, as with Firecracker.
            return;
        }

        var handshake = new VsockHandshake(stream);
        _handshakes.Add(handshake);
        handshake.Watch = _host!.Watch(stream, EpollEvents.Readable, _ => Read(handshake));
    }

    /// <summary>
    /// Who stays in the backlog keeps the socket readable and the loop awake. So when accepting fails for want of descriptors,
    /// the spare one makes room to let the caller in and out again.
    /// </summary>
    private void RefuseWithoutDescriptors()
    {
        _spare?.Dispose();
        UnixSocket.TryAccept(_socket)?.Dispose();
        _spare = UnixSocket.TryCreate();
    }

    private void Read(VsockHandshake handshake)
    {
        if (handshake.TryRead(out var port) is not { } complete) return;
        _handshakes.Remove(handshake);
        if (complete) _multiplexer!.OpenFromHost(port, handshake.TakeStream());
        else handshake.Dispose();
        _changed();
    }

    private static string Advice(int errno, string path) => errno switch
    {
        LibC.EADDRINUSE or LibC.EEXIST => $"Remove {path}, if nobody uses it any more, or choose another path",
        LibC.ENOENT => "Create its folder first",
        LibC.EACCES or LibC.EPERM => "Choose a folder this user may write to",
        _ => "Choose another path",
    };

    private static VmmFaultException Fault(string path, string problem, string advice, Exception? cause = null) =>
        new($"Cannot make the vsock socket, uds_path '{path}': {problem}. {advice}.", cause);
}

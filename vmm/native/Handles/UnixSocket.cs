using System.Text;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Handles;

/// <summary>Stream sockets in the file system (unix(7)), none of which ever blocks.</summary>
internal static unsafe class UnixSocket
{
    /// <summary>Longest path in bytes, the zero byte after it not counted.</summary>
    public const int LongestPath = 107;

    private const int Backlog = 128;

    /// <summary>Makes the socket file and listens; the caller removes the file.</summary>
    public static FileDescriptor Listen(string path)
    {
        var socket = TryCreate() ?? throw LinuxException.Last($"listen on {path}");
        try
        {
            if (!TryAddress(path, out var address)) throw new LinuxException($"listen on {path}", LibC.ENAMETOOLONG);
            using var fd = socket.Borrow();
            // SAFETY: the address lives on this stack during the calls.
            if (LibC.bind(fd.Fd, &address, (uint)sizeof(sockaddr_un)) != 0 || LibC.listen(fd.Fd, Backlog) != 0)
                throw LinuxException.Last($"listen on {path}");
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Who has come, or null when nobody is there (any more).</summary>
    public static FileDescriptor? TryAccept(FileDescriptor listener)
    {
        using var fd = listener.Borrow();
        // SAFETY: no address is asked for.
        var accepted = LibC.accept4(fd.Fd, null, null, LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC);
        return accepted >= 0 ? new(accepted) : null;
    }

    /// <summary>Null when nobody listens at <paramref name="path"/>, its backlog is full, it is no path of a socket, or we may have no more descriptors.</summary>
    public static FileDescriptor? TryConnect(string path)
    {
        if (!TryAddress(path, out var address) || TryCreate() is not { } socket) return null;
        using var fd = socket.Borrow();
        // SAFETY: the address lives on this stack during the call.
        if (LibC.connect(fd.Fd, &address, (uint)sizeof(sockaddr_un)) == 0) return socket;
        socket.Dispose();
        return null;
    }

    /// <summary>Two that are connected with each other.</summary>
    public static (FileDescriptor First, FileDescriptor Second) Pair()
    {
        var pair = stackalloc int[2];
        // SAFETY: two numbers on this stack, written during the call.
        return LibC.socketpair(LibC.AF_UNIX, LibC.SOCK_STREAM | LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC, 0, pair) == 0
            ? (new(pair[0]), new(pair[1]))
            : throw LinuxException.Last("create a pair of sockets");
    }

    /// <summary>Bytes read, zero when the other side sends no more, or -errno.</summary>
    public static long Read(FileDescriptor socket, Span<byte> into) => Receive(socket, into, 0);

    /// <summary>As <see cref="Read"/>; the bytes are still there afterwards.</summary>
    public static long Peek(FileDescriptor socket, Span<byte> into) => Receive(socket, into, LibC.MSG_PEEK);

    /// <summary>Bytes written, perhaps fewer than given, or -errno.</summary>
    public static long Write(FileDescriptor socket, ReadOnlySpan<byte> bytes)
    {
        using var fd = socket.Borrow();
        fixed (byte* buffer = bytes)
        {
            // SAFETY: the span is pinned for the call, which reads at most as many bytes.
            return LibC.ResultOrErrno(LibC.send(fd.Fd, buffer, (nuint)bytes.Length, LibC.MSG_NOSIGNAL));
        }
    }

    /// <summary>The other side reads to the end of what was written, and then that there is no more.</summary>
    public static void FinishSending(FileDescriptor socket) => Shutdown(socket, LibC.SHUT_WR);

    /// <summary>The other side's writes fail from now on.</summary>
    public static void RefuseMore(FileDescriptor socket) => Shutdown(socket, LibC.SHUT_RD);

    /// <summary>One that is connected with nobody; null when we may have no more descriptors.</summary>
    public static FileDescriptor? TryCreate()
    {
        var fd = LibC.socket(LibC.AF_UNIX, LibC.SOCK_STREAM | LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC, 0);
        return fd >= 0 ? new(fd) : null;
    }

    private static bool TryAddress(string path, out sockaddr_un address)
    {
        address = new() { sun_family = LibC.AF_UNIX };
        Span<byte> target = address.sun_path;
        return path.Length > 0 && !path.Contains('\0', StringComparison.Ordinal)
            && Encoding.UTF8.TryGetBytes(path, target[..LongestPath], out _);
    }

    private static long Receive(FileDescriptor socket, Span<byte> into, int flags)
    {
        using var fd = socket.Borrow();
        fixed (byte* buffer = into)
        {
            // SAFETY: the span is pinned for the call, which writes at most as many bytes.
            return LibC.ResultOrErrno(LibC.recv(fd.Fd, buffer, (nuint)into.Length, flags));
        }
    }

    private static void Shutdown(FileDescriptor socket, int how)
    {
        using var fd = socket.Borrow();
        _ = LibC.shutdown(fd.Fd, how); // It may have gone already, which comes to the same.
    }
}

using System.Text;
using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Boot;

/// <summary>The host's end of the stream in a sandbox: a socket it listens on, in a folder it has mounted for us.</summary>
internal static unsafe class UnixSocket
{
    private const int AF_UNIX = 1;

    /// <summary>Connects, and takes the folder away: the job that follows sees nothing of the host.</summary>
    public static SafeFileHandle ConnectToHost(string path)
    {
        var address = new byte[2 + Encoding.UTF8.GetByteCount(path) + 1]; // struct sockaddr_un
        address[0] = AF_UNIX;
        Encoding.UTF8.GetBytes(path, address.AsSpan(2));
        var socket = new SafeFileHandle(Libc.socket(AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0), ownsHandle: true);
        // SAFETY: pinned for the length of the call, with its true length.
        fixed (byte* start = address)
            LinuxException.ThrowIfNegative(Libc.connect(socket, start, (uint)address.Length), $"Cannot connect to the host's socket {path}");
        KernelFile.SetNonBlocking(socket);
        Mounts.Detach(path[..path.LastIndexOf('/')]);
        return socket;
    }
}

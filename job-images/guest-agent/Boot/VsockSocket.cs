using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Boot;

/// <summary>Stream sockets to the machine's host (vsock(7)). .NET's own Socket does not know the address family.</summary>
internal static unsafe class VsockSocket
{
    /// <returns>A connected, non-blocking socket, or null and why not.</returns>
    public static SafeFileHandle? TryConnectToHost(uint port, out int errno)
    {
        var address = new Libc.sockaddr_vm { svm_family = Libc.AF_VSOCK, svm_port = port, svm_cid = Libc.VMADDR_CID_HOST };
        var socket = new SafeFileHandle(Libc.socket(Libc.AF_VSOCK, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0), ownsHandle: true);
        // SAFETY: the address lives on this stack during the call. It blocks for two seconds at most, the kernel's own limit.
        if (!socket.IsInvalid && Libc.connect(socket, &address, (uint)sizeof(Libc.sockaddr_vm)) == 0
            && Libc.fcntl(socket, Libc.F_SETFL, Libc.O_RDWR | Libc.O_NONBLOCK) == 0)
        {
            errno = 0;
            return socket;
        }

        errno = Libc.Errno;
        socket.Dispose();
        return null;
    }
}

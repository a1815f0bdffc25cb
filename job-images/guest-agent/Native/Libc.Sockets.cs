using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace RunnerVm.GuestAgent.Native;

internal static unsafe partial class Libc
{
    // sys/socket.h

    public const int AF_VSOCK = 40;
    public const int SOCK_STREAM = 1;

    [LibraryImport(Library, SetLastError = true)]
    public static partial int connect(SafeFileHandle socket, void* address, uint length);

    // linux/vm_sockets.h

    public const uint VMADDR_CID_HOST = 2;

    /// <summary>As long as struct sockaddr.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct sockaddr_vm
    {
        public ushort svm_family;
        public ushort svm_reserved1;
        public uint svm_port;
        public uint svm_cid;
        public uint svm_flags;
    }
}

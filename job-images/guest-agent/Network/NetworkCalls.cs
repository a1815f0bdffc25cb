using System.ComponentModel;
using System.Runtime.InteropServices;

namespace RunnerVm.GuestAgent.Network;

/// <summary>The calls and constants of sys/socket.h, linux/bpf.h and linux/rtnetlink.h the redirect needs, by their C names.</summary>
internal static unsafe partial class NetworkCalls
{
    private const string Library = "libc";

    public const int AF_INET = 2;
    public const int AF_INET6 = 10;
    public const int AF_NETLINK = 16;
    public const int SOCK_STREAM = 1;
    public const int SOCK_DGRAM = 2;
    public const int SOCK_RAW = 3;
    public const int SOCK_CLOEXEC = 0x80000;
    public const int SOL_IP = 0;
    public const int SOL_IPV6 = 41;
    public const int IPPROTO_RAW = 255;
    public const int IP_RECVORIGDSTADDR = 20;
    public const int IPV6_V6ONLY = 26;
    public const int IPV6_RECVORIGDSTADDR = 74;
    public const int IPV6_TRANSPARENT = 75;

    public const long SYS_bpf = 321;

    [LibraryImport(Library, SetLastError = true)]
    public static partial long syscall(long number, nint a, nint b, nint c);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int socket(int domain, int type, int protocol);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int bind(int fd, void* address, uint length);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int listen(int fd, int backlog);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int accept4(int fd, void* address, uint* length, int flags);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int setsockopt(int fd, int level, int name, void* value, uint length);

    [LibraryImport(Library, SetLastError = true)]
    public static partial nint sendto(int fd, void* buffer, nuint length, int flags, void* address, uint addressLength);

    [LibraryImport(Library, SetLastError = true)]
    public static partial nint recv(int fd, void* buffer, nuint length, int flags);

    [LibraryImport(Library, SetLastError = true)]
    public static partial nint recvmsg(int fd, MessageHeader* message, int flags);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial uint if_nametoindex(string name);

    /// <summary>struct iovec.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct IoVector
    {
        public void* iov_base;
        public nuint iov_len;
    }

    /// <summary>struct msghdr of 64-bit Linux.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct MessageHeader
    {
        public void* msg_name;
        public uint msg_namelen;
        public IoVector* msg_iov;
        public nuint msg_iovlen;
        public void* msg_control;
        public nuint msg_controllen;
        public int msg_flags;
    }

    /// <summary>struct cmsghdr; the data follows.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct ControlHeader
    {
        public nuint cmsg_len;
        public int cmsg_level;
        public int cmsg_type;
    }

    /// <exception cref="Win32Exception">The result is negative.</exception>
    public static int Check(long result, string attempt)
    {
        if (result >= 0) return (int)result;
        var errno = Marshal.GetLastPInvokeError();
        throw new Win32Exception(errno, $"{attempt}: {Marshal.GetPInvokeErrorMessage(errno)} (errno {errno}).");
    }

    public static int Socket(int domain, int type, int protocol) =>
        Check(socket(domain, type | SOCK_CLOEXEC, protocol), "Cannot open a socket");

    /// <summary>Any address, a port the kernel chooses.</summary>
    public static void BindAny(int fd, int family)
    {
        var any = stackalloc byte[28]; // struct sockaddr_in6, or more than a sockaddr_in
        new Span<byte>(any, 28).Clear();
        any[0] = (byte)family;
        // SAFETY: the kernel reads the stack.
        Check(bind(fd, any, family == AF_INET ? 16u : 28u), "Cannot bind a socket of the redirect");
    }

    public static void SetOption(int fd, int level, int name, int value) =>
        // SAFETY: the kernel reads four bytes of the parameter's copy on the stack.
        Check(setsockopt(fd, level, name, &value, sizeof(int)), "Cannot set an option of a socket");
}

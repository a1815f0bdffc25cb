using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Thaw;

/// <summary>Brings the interface lo up; the kernel gives it its addresses by itself.</summary>
internal static unsafe class Loopback
{
    private const short IFF_UP = 1;

    /// <summary>struct ifreq, as far as flags go: name (16), flags (2), the rest of the union.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 40)]
    private struct InterfaceRequest
    {
        [FieldOffset(0)]
        public byte Name;

        [FieldOffset(16)]
        public short Flags;
    }

    public static void Up()
    {
        var fd = Libc.socket(Libc.AF_INET, Libc.SOCK_DGRAM | Libc.SOCK_CLOEXEC, 0);
        LinuxException.ThrowIfNegative(fd, "Cannot open a socket to bring lo up");
        using var socket = new SafeFileHandle(fd, ownsHandle: true);
        InterfaceRequest request = default;
        // SAFETY: the name field has 16 bytes; the structure stays on the stack.
        "lo"u8.CopyTo(new Span<byte>(&request.Name, 16));
        LinuxException.ThrowIfNegative(Libc.ioctl(socket, Libc.SIOCGIFFLAGS, &request), "Cannot read the flags of lo");
        request.Flags |= IFF_UP;
        LinuxException.ThrowIfNegative(Libc.ioctl(socket, Libc.SIOCSIFFLAGS, &request), "Cannot bring lo up");
    }
}

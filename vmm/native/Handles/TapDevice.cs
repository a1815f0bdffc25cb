using System.Text;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Handles;

/// <summary>What the kernel may leave undone in a frame it gives us, since the guest does it (TUN_F_*).</summary>
[Flags]
internal enum TapOffloads : uint
{
    None = 0,

    /// <summary>The checksum.</summary>
    Checksum = LibC.TUN_F_CSUM,

    /// <summary>The cutting of TCP over IPv4 into segments.</summary>
    Tcp4 = LibC.TUN_F_TSO4,

    /// <summary>The same over IPv6.</summary>
    Tcp6 = LibC.TUN_F_TSO6,

    /// <summary>The cutting of UDP into fragments.</summary>
    Udp = LibC.TUN_F_UFO,
}

/// <summary>
/// The other end of a network interface of the host: a read is a frame the host sends, a write is one it receives, each
/// behind a virtio-net header (Documentation/networking/tuntap.rst). Never blocks.
/// </summary>
internal sealed class TapDevice : IDisposable
{
    /// <summary>struct virtio_net_hdr_v1.</summary>
    public const int HeaderBytes = 12;

    private const string Path = "/dev/net/tun";

    private TapDevice(string name, FileDescriptor descriptor) => (Name, Descriptor) = (name, descriptor);

    public string Name { get; }

    public FileDescriptor Descriptor { get; }

    /// <summary>Attaches to a TAP device, which is made when there is none and we may.</summary>
    /// <param name="name">1 to 15 bytes.</param>
    /// <exception cref="LinuxException">With what to do.</exception>
    public static unsafe TapDevice Open(string name)
    {
        var request = new ifreq { ifr_flags = LibC.IFF_TAP | LibC.IFF_NO_PI | LibC.IFF_VNET_HDR };
        Span<byte> target = request.ifr_name;
        if (name.Length == 0 || name.Contains('\0', StringComparison.Ordinal) || !Encoding.UTF8.TryGetBytes(name, target[..(LibC.IFNAMSIZ - 1)], out _))
            throw new LinuxException($"open TAP device '{name}'", LibC.EINVAL, "The name of an interface has 1 to 15 bytes.");
        var descriptor = FileDescriptor.Open(Path, LibC.O_RDWR | LibC.O_NONBLOCK, OpenAdvice);
        try
        {
            var header = HeaderBytes;
            using var fd = descriptor.Borrow();
            // SAFETY: structure and number live on this stack during the calls.
            if (LibC.ioctl(fd.Fd, LibC.TUNSETIFF, &request) != 0) throw AttachProblem(name, LinuxException.Last($"attach to TAP device '{name}'"));
            if (LibC.ioctl(fd.Fd, LibC.TUNSETVNETHDRSZ, &header) != 0) throw LinuxException.Last($"set the header size of TAP device '{name}'");
        }
        catch
        {
            descriptor.Dispose();
            throw;
        }

        return new(name, descriptor);
    }

    public void SetOffloads(TapOffloads offloads)
    {
        using var fd = Descriptor.Borrow();
        if (LibC.ioctl(fd.Fd, LibC.TUNSETOFFLOAD, (nuint)offloads) != 0) throw LinuxException.Last($"set the offloads of TAP device '{Name}'");
    }

    /// <summary>A frame behind its header; what has no room is lost. Bytes read, or -errno.</summary>
    public unsafe long Read(Span<byte> into)
    {
        using var fd = Descriptor.Borrow();
        fixed (byte* buffer = into)
        {
            // SAFETY: the span is pinned for the call, which writes at most as many bytes.
            return LibC.ResultOrErrno(LibC.read(fd.Fd, buffer, (nuint)into.Length));
        }
    }

    public void Dispose() => Descriptor.Dispose();

    private static string? OpenAdvice(int errno) => errno switch
    {
        LibC.ENOENT or LibC.ENODEV or LibC.ENXIO => "Load the kernel's module: modprobe tun.",
        LibC.EACCES or LibC.EPERM => "Run as a user who may read and write it.",
        _ => null,
    };

    private static LinuxException AttachProblem(string name, LinuxException problem) => new($"attach to TAP device '{name}'", problem.Errno, problem.Errno switch
    {
        LibC.EBUSY => "Somebody else has it open; give each machine a TAP device of its own.",
        LibC.EPERM or LibC.EACCES =>
            $"Make it as root for this user: ip tuntap add dev {name} mode tap user $USER vnet_hdr; ip link set {name} up.",
        LibC.EINVAL => "An interface of that name is no TAP device with one queue; choose another name.",
        _ => null,
    });
}

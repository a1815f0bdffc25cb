using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Kvm;

/// <summary>/dev/kvm (Documentation/virt/kvm/api.rst, system ioctls).</summary>
internal sealed partial class KvmDevice : IDisposable
{
    public const string Path = "/dev/kvm";
    private readonly FileDescriptor _fd;

    private KvmDevice(FileDescriptor fd) => _fd = fd;

    /// <exception cref="LinuxException">Not there or not ours to open; says what to do.</exception>
    public static KvmDevice Open() => new(FileDescriptor.Open(Path, LibC.O_RDWR, Fix));

    /// <summary>12 on every kernel since 2.6.22.</summary>
    public int ApiVersion()
    {
        using var fd = _fd.Borrow();
        var version = LibC.ioctl(fd.Fd, KvmApi.KVM_GET_API_VERSION, 0);
        return version >= 0 ? version : throw LinuxException.Last("ask /dev/kvm for its version");
    }

    public KvmVm CreateVm()
    {
        using var fd = _fd.Borrow();
        var vm = LibC.ioctl(fd.Fd, KvmApi.KVM_CREATE_VM, 0);
        return vm >= 0 ? new(new(vm), VcpuMappingLength(fd.Fd)) : throw LinuxException.Last("create a virtual machine");
    }

    public void Dispose() => _fd.Dispose();

    private static nuint VcpuMappingLength(int fd)
    {
        var length = LibC.ioctl(fd, KvmApi.KVM_GET_VCPU_MMAP_SIZE, 0);
        return length > 0 ? (nuint)length : throw LinuxException.Last("ask /dev/kvm for the size of a virtual CPU's page");
    }

    private static string? Fix(int errno) => errno switch
    {
        LibC.EACCES => $"Add user '{Environment.UserName}' to group 'kvm'.",
        LibC.ENOENT => "Load the module kvm-intel or kvm-amd, and switch virtualization on in the firmware (or nested "
            + "virtualization at the cloud).",
        LibC.ENODEV or LibC.ENXIO => "Load the module kvm-intel or kvm-amd.",
        LibC.EBUSY => "Another hypervisor holds the processor's virtualization; stop it.",
        _ => null,
    };
}

using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Native.Kvm;

/// <summary>A virtual machine. Memory given to it must outlive it.</summary>
internal sealed partial class KvmVm : IDisposable
{
    private readonly FileDescriptor _fd;
    private readonly nuint _vcpuMappingLength;

    internal KvmVm(FileDescriptor fd, nuint vcpuMappingLength) => (_fd, _vcpuMappingLength) = (fd, vcpuMappingLength);

    /// <summary>Three pages that Intel processors without unrestricted guests need for themselves; others ignore it.</summary>
    public void SetTssAddress(uint guestAddress)
    {
        using var fd = _fd.Borrow();
        if (LibC.ioctl(fd.Fd, KvmApi.KVM_SET_TSS_ADDR, guestAddress) != 0)
            throw LinuxException.Last("set the address of the task state segment");
    }

    /// <summary>One page of the same kind as <see cref="SetTssAddress"/>'s; before the first virtual CPU.</summary>
    public unsafe void SetIdentityMapAddress(ulong guestAddress)
    {
        using var fd = _fd.Borrow();
        // SAFETY: KVM reads eight bytes of this stack during the call.
        if (LibC.ioctl(fd.Fd, KvmApi.KVM_SET_IDENTITY_MAP_ADDR, &guestAddress) != 0)
            throw LinuxException.Last("set the address of the identity map");
    }

    /// <param name="logDirtyPages">KVM remembers which pages the guest wrote.</param>
    public unsafe void SetMemory(uint slot, ulong guestAddress, MappedRegion memory, bool logDirtyPages = false)
    {
        var region = new kvm_userspace_memory_region
        {
            slot = slot,
            flags = logDirtyPages ? KvmApi.KVM_MEM_LOG_DIRTY_PAGES : 0,
            guest_phys_addr = guestAddress,
            memory_size = memory.Length,
            userspace_addr = memory.Address,
        };
        using var fd = _fd.Borrow();
        // SAFETY: KVM reads the structure during the call; it lives on this stack.
        if (LibC.ioctl(fd.Fd, KvmApi.KVM_SET_USER_MEMORY_REGION, &region) != 0)
            throw LinuxException.Last($"give a virtual machine {memory.Length} bytes of memory");
    }

    public KvmVcpu CreateVcpu(uint id)
    {
        using var fd = _fd.Borrow();
        var vcpu = LibC.ioctl(fd.Fd, KvmApi.KVM_CREATE_VCPU, id);
        if (vcpu < 0) throw LinuxException.Last($"create virtual CPU {id}");
        var owned = new FileDescriptor(vcpu);
        try
        {
            return new(owned, MappedRegion.OfDevice(owned, _vcpuMappingLength, $"the page of virtual CPU {id}"));
        }
        catch
        {
            owned.Dispose();
            throw;
        }
    }

    /// <summary>KVM's clock of this machine, which the guest's kvm-clock shows.</summary>
    public unsafe kvm_clock_data Clock
    {
        get
        {
            kvm_clock_data clock;
            using var fd = _fd.Borrow();
            // SAFETY: KVM fills the whole structure during the call; it lives on this stack.
            if (LibC.ioctl(fd.Fd, KvmApi.KVM_GET_CLOCK, &clock) != 0) throw LinuxException.Last("read a virtual machine's clock");
            return clock;
        }

        set
        {
            using var fd = _fd.Borrow();
            // SAFETY: KVM reads the structure during the call; `value` lives on this stack.
            if (LibC.ioctl(fd.Fd, KvmApi.KVM_SET_CLOCK, &value) != 0) throw LinuxException.Last("set a virtual machine's clock");
        }
    }

    public void Dispose() => _fd.Dispose();
}

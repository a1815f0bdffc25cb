using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Kvm;

// Interrupt controllers, and the eventfds by which devices and the guest reach each other without an exit to us.
internal sealed partial class KvmVm
{
    /// <summary>PIC, IOAPIC and a local APIC for each virtual CPU, all in the kernel; before the first virtual CPU.</summary>
    public void CreateInterruptController()
    {
        using var fd = _fd.Borrow();
        if (LibC.ioctl(fd.Fd, KvmApi.KVM_CREATE_IRQCHIP, 0) != 0) throw LinuxException.Last("create the interrupt controllers");
    }

    /// <summary>The i8254, with the speaker's port 0x61 answered by the kernel too: guests calibrate by it.</summary>
    public unsafe void CreateTimer()
    {
        var config = new kvm_pit_config { flags = KvmApi.KVM_PIT_SPEAKER_DUMMY };
        using var fd = _fd.Borrow();
        // SAFETY: KVM reads the structure during the call; it lives on this stack.
        if (LibC.ioctl(fd.Fd, KvmApi.KVM_CREATE_PIT2, &config) != 0) throw LinuxException.Last("create the interval timer");
    }

    /// <summary>From now on a signal of <paramref name="interrupt"/> is an edge on the line.</summary>
    public unsafe void ConnectInterrupt(EventFd interrupt, uint gsi)
    {
        using var eventFd = interrupt.Descriptor.Borrow();
        var request = new kvm_irqfd { fd = (uint)eventFd.Fd, gsi = gsi };
        using var fd = _fd.Borrow();
        // SAFETY: KVM reads the structure during the call; it takes its own reference to the eventfd.
        if (LibC.ioctl(fd.Fd, KvmApi.KVM_IRQFD, &request) != 0) throw LinuxException.Last($"connect interrupt {gsi}");
    }

    /// <summary>
    /// The guest's 32-bit writes of <paramref name="value"/> to this address signal <paramref name="notified"/> and no longer
    /// exit; other values and widths still do.
    /// </summary>
    public unsafe void ConnectMmioWrite(EventFd notified, ulong address, uint value)
    {
        using var eventFd = notified.Descriptor.Borrow();
        var request = new kvm_ioeventfd
        {
            datamatch = value, addr = address, len = sizeof(uint), fd = eventFd.Fd, flags = KvmApi.KVM_IOEVENTFD_FLAG_DATAMATCH,
        };
        using var fd = _fd.Borrow();
        // SAFETY: KVM reads the structure during the call; it takes its own reference to the eventfd.
        if (LibC.ioctl(fd.Fd, KvmApi.KVM_IOEVENTFD, &request) != 0)
            throw LinuxException.Last($"connect the guest's writes at 0x{address:x}");
    }
}

using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Kvm;

// What of a machine is no virtual CPU's: interrupt controllers, timer, the log of written pages.
internal sealed partial class KvmVm
{
    private const ulong PageBytes = 4096;

    /// <param name="chip">KVM_IRQCHIP_*.</param>
    public unsafe kvm_irqchip GetInterruptController(uint chip)
    {
        var state = new kvm_irqchip { chip_id = chip };
        using var fd = _fd.Borrow();
        // SAFETY: KVM reads the number and fills the rest during the call; it lives on this stack.
        if (LibC.ioctl(fd.Fd, KvmApi.KVM_GET_IRQCHIP, &state) != 0) throw LinuxException.Last($"read interrupt controller {chip}");
        return state;
    }

    public unsafe void SetInterruptController(kvm_irqchip state)
    {
        using var fd = _fd.Borrow();
        // SAFETY: KVM reads the structure during the call; it lives on this stack.
        if (LibC.ioctl(fd.Fd, KvmApi.KVM_SET_IRQCHIP, &state) != 0) throw LinuxException.Last($"set interrupt controller {state.chip_id}");
    }

    /// <summary>The i8254.</summary>
    public unsafe kvm_pit_state2 Timer
    {
        get
        {
            kvm_pit_state2 state;
            using var fd = _fd.Borrow();
            // SAFETY: KVM fills the whole structure during the call; it lives on this stack.
            if (LibC.ioctl(fd.Fd, KvmApi.KVM_GET_PIT2, &state) != 0) throw LinuxException.Last("read the interval timer");
            return state;
        }

        set
        {
            using var fd = _fd.Borrow();
            // SAFETY: KVM reads the structure during the call; `value` lives on this stack.
            if (LibC.ioctl(fd.Fd, KvmApi.KVM_SET_PIT2, &value) != 0) throw LinuxException.Last("set the interval timer");
        }
    }

    /// <summary>The pages the guest has written since the last time it was asked, a bit each; begins anew.</summary>
    /// <param name="bytes">The slot's size.</param>
    public unsafe ulong[] TakeDirtyLog(uint slot, ulong bytes)
    {
        var bits = new ulong[(bytes / PageBytes + 63) / 64];
        using var fd = _fd.Borrow();
        // SAFETY: the array is pinned for the call and has a bit for each page of the slot, rounded up to 64 as KVM does.
        fixed (ulong* into = bits)
        {
            var log = new kvm_dirty_log { slot = slot, dirty_bitmap = (ulong)into };
            if (LibC.ioctl(fd.Fd, KvmApi.KVM_GET_DIRTY_LOG, &log) != 0) throw LinuxException.Last("read which pages the guest wrote");
        }

        return bits;
    }
}

using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Kvm;

// What a snapshot holds beside the registers.
internal sealed partial class KvmVcpu
{
    /// <summary>The least KVM_GET_XSAVE fills, and all of it on processors without larger state.</summary>
    public const int LeastXsaveBytes = 4096;

    public kvm_xcrs ExtendedControl
    {
        get => Get<kvm_xcrs>(KvmApi.KVM_GET_XCRS, "the extended control registers");
        set => Set(KvmApi.KVM_SET_XCRS, value, "the extended control registers");
    }

    public kvm_debugregs DebugRegisters
    {
        get => Get<kvm_debugregs>(KvmApi.KVM_GET_DEBUGREGS, "the debug registers");
        set => Set(KvmApi.KVM_SET_DEBUGREGS, value, "the debug registers");
    }

    /// <summary>Exceptions, interrupts and NMIs on their way.</summary>
    public kvm_vcpu_events Events
    {
        get => Get<kvm_vcpu_events>(KvmApi.KVM_GET_VCPU_EVENTS, "the pending events");
        set => Set(KvmApi.KVM_SET_VCPU_EVENTS, value, "the pending events");
    }

    /// <summary>The frequency of its time stamp counter; zero when KVM does not know it.</summary>
    public uint TscKhz
    {
        get
        {
            using var fd = _fd.Borrow();
            var khz = LibC.ioctl(fd.Fd, KvmApi.KVM_GET_TSC_KHZ, 0);
            return khz > 0 ? (uint)khz : 0;
        }

        set
        {
            using var fd = _fd.Borrow();
            if (LibC.ioctl(fd.Fd, KvmApi.KVM_SET_TSC_KHZ, value) != 0) throw LinuxException.Last($"set the time stamp counter of a virtual CPU to {value} kHz");
        }
    }

    /// <summary>The XSAVE area: floating point, vectors and what came after them.</summary>
    /// <param name="bytes">What KVM_CAP_XSAVE2 says, at least <see cref="LeastXsaveBytes"/>.</param>
    public unsafe byte[] GetXsave(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, LeastXsaveBytes);
        var area = new byte[bytes];
        var request = bytes > LeastXsaveBytes ? KvmApi.KVM_GET_XSAVE2 : KvmApi.KVM_GET_XSAVE;
        using var fd = _fd.Borrow();
        // SAFETY: the array is pinned for the call, which writes as many bytes as KVM said it would.
        fixed (byte* into = area)
        {
            if (LibC.ioctl(fd.Fd, request, into) != 0) throw LinuxException.Last("read the extended state of a virtual CPU");
        }

        return area;
    }

    /// <param name="area">As many bytes as KVM_CAP_XSAVE2 says, at least <see cref="LeastXsaveBytes"/>: KVM reads them all.</param>
    public unsafe void SetXsave(ReadOnlySpan<byte> area)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(area.Length, LeastXsaveBytes);
        using var fd = _fd.Borrow();
        // SAFETY: the span is pinned for the call; who calls has seen to its length.
        fixed (byte* from = area)
        {
            if (LibC.ioctl(fd.Fd, KvmApi.KVM_SET_XSAVE, from) != 0) throw LinuxException.Last("set the extended state of a virtual CPU");
        }
    }

    /// <summary>
    /// Tells the guest by its kvm-clock that it stood still, so that it does not take the time for a lock-up. A guest without
    /// one is not told.
    /// </summary>
    public void TellStopped()
    {
        using var fd = _fd.Borrow();
        _ = LibC.ioctl(fd.Fd, KvmApi.KVM_KVMCLOCK_CTRL, 0);
    }
}

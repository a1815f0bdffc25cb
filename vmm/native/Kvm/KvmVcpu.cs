using System.Runtime.InteropServices;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Native.Kvm;

/// <summary>A virtual CPU. All calls from the one thread that runs it.</summary>
internal sealed class KvmVcpu : IDisposable
{
    private const nuint ExitReasonOffset = 8;
    private readonly FileDescriptor _fd;
    private readonly MappedRegion _run;

    internal KvmVcpu(FileDescriptor fd, MappedRegion run) => (_fd, _run) = (fd, run);

    public unsafe kvm_sregs SystemRegisters
    {
        get
        {
            kvm_sregs registers;
            using var fd = _fd.Borrow();
            // SAFETY: KVM fills the whole structure during the call; it lives on this stack.
            if (LibC.ioctl(fd.Fd, KvmApi.KVM_GET_SREGS, &registers) != 0) throw LinuxException.Last("read system registers");
            return registers;
        }

        set
        {
            using var fd = _fd.Borrow();
            // SAFETY: KVM reads the structure during the call; `value` lives on this stack.
            if (LibC.ioctl(fd.Fd, KvmApi.KVM_SET_SREGS, &value) != 0) throw LinuxException.Last("set system registers");
        }
    }

    public unsafe kvm_regs Registers
    {
        get
        {
            kvm_regs registers;
            using var fd = _fd.Borrow();
            // SAFETY: KVM fills the whole structure during the call; it lives on this stack.
            if (LibC.ioctl(fd.Fd, KvmApi.KVM_GET_REGS, &registers) != 0) throw LinuxException.Last("read registers");
            return registers;
        }

        set
        {
            using var fd = _fd.Borrow();
            // SAFETY: KVM reads the structure during the call; `value` lives on this stack.
            if (LibC.ioctl(fd.Fd, KvmApi.KVM_SET_REGS, &value) != 0) throw LinuxException.Last("set registers");
        }
    }

    /// <summary>Runs until the guest needs us; returns KVM_EXIT_*. A signal (the runtime has its own) is not an exit.</summary>
    public uint Run()
    {
        using var fd = _fd.Borrow();
        while (LibC.ioctl(fd.Fd, KvmApi.KVM_RUN, 0) != 0)
            if (Marshal.GetLastPInvokeError() != LibC.EINTR)
                throw LinuxException.Last("run a virtual CPU");
        return _run.Read<uint>(ExitReasonOffset);
    }

    public void Dispose()
    {
        _run.Dispose();
        _fd.Dispose();
    }
}

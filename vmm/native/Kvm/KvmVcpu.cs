using System.Runtime.InteropServices;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Native.Kvm;

/// <summary>
/// A virtual CPU. All calls from the one thread that runs it; before it runs, and while that thread stands still, from the
/// one that made it.
/// </summary>
internal sealed partial class KvmVcpu : IDisposable
{
    private const nuint ImmediateExitOffset = 1;
    private const nuint ExitReasonOffset = 8;
    private readonly FileDescriptor _fd;
    private readonly MappedRegion _run;

    internal KvmVcpu(FileDescriptor fd, MappedRegion run) => (_fd, _run) = (fd, run);

    /// <summary>Runs until the guest needs us; returns KVM_EXIT_*. A signal (the runtime has its own) is not an exit.</summary>
    public uint Run()
    {
        uint exit;
        while (!TryRun(out exit))
        {
        }

        return exit;
    }

    /// <summary>Runs until the guest needs us; false, when a signal came first or the CPU still waits for its start.</summary>
    /// <param name="exit">KVM_EXIT_*.</param>
    public bool TryRun(out uint exit)
    {
        using var fd = _fd.Borrow();
        if (LibC.ioctl(fd.Fd, KvmApi.KVM_RUN, 0) == 0)
        {
            exit = _run.Read<uint>(ExitReasonOffset);
            return true;
        }

        exit = KvmApi.KVM_EXIT_INTR;
        // EAGAIN: a CPU that has had no INIT and SIPI woke up for something else.
        if (Marshal.GetLastPInvokeError() is LibC.EINTR or LibC.EAGAIN) return false;
        throw LinuxException.Last("run a virtual CPU");
    }

    /// <summary>
    /// Lets KVM take over what we answered to the last exit without running the guest any further, so that what
    /// registers and memory show is whole (api.rst, KVM_RUN, the note on KVM_EXIT_IO).
    /// </summary>
    public void CompleteExit()
    {
        _run.Write(ImmediateExitOffset, [1]);
        TryRun(out _);
        _run.Write(ImmediateExitOffset, [0]);
    }

    /// <summary>The signals blocked while the guest runs, and only then (bit n - 1 for signal n).</summary>
    public unsafe void SetSignalMask(ulong blocked)
    {
        // struct kvm_signal_mask: the length, then the kernel's sigset_t right behind it.
        var mask = stackalloc uint[] { sizeof(ulong), (uint)blocked, (uint)(blocked >> 32) };
        using var fd = _fd.Borrow();
        // SAFETY: KVM reads twelve bytes of this stack during the call.
        if (LibC.ioctl(fd.Fd, KvmApi.KVM_SET_SIGNAL_MASK, mask) != 0)
            throw LinuxException.Last("set the signals of a virtual CPU");
    }

    public void Dispose()
    {
        _run.Dispose();
        _fd.Dispose();
    }

    private unsafe T Get<T>(nuint request, string what)
        where T : unmanaged
    {
        T value;
        using var fd = _fd.Borrow();
        // SAFETY: the request's size is sizeof(T); KVM fills it during the call; it lives on this stack.
        if (LibC.ioctl(fd.Fd, request, &value) != 0) throw LinuxException.Last($"read {what} of a virtual CPU");
        return value;
    }

    private unsafe void Set<T>(nuint request, T value, string what)
        where T : unmanaged
    {
        using var fd = _fd.Borrow();
        // SAFETY: the request's size is sizeof(T); KVM reads it during the call; it lives on this stack.
        if (LibC.ioctl(fd.Fd, request, &value) != 0) throw LinuxException.Last($"set {what} of a virtual CPU");
    }
}

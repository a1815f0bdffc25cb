using System.Runtime.InteropServices;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Handles;

/// <summary>A counter in the kernel that one side adds to and the other waits for (eventfd(2)). Never blocks.</summary>
internal sealed class EventFd : IDisposable
{
    public EventFd()
    {
        var fd = LibC.eventfd(0, LibC.EFD_NONBLOCK | LibC.EFD_CLOEXEC);
        Descriptor = fd >= 0 ? new(fd) : throw LinuxException.Last("create an event counter");
    }

    public FileDescriptor Descriptor { get; }

    /// <summary>Adds one. A counter that is full already tells all there is to tell.</summary>
    public unsafe void Signal()
    {
        ulong one = 1;
        using var fd = Descriptor.Borrow();
        // SAFETY: eight bytes of this stack, read during the call.
        if (LibC.write(fd.Fd, &one, sizeof(ulong)) < 0 && Marshal.GetLastPInvokeError() != LibC.EAGAIN)
            throw LinuxException.Last("signal an event counter");
    }

    /// <summary>Back to zero; what it had counted, zero when nothing.</summary>
    public unsafe ulong Drain()
    {
        ulong count = 0;
        using var fd = Descriptor.Borrow();
        // SAFETY: eight bytes of this stack, written during the call.
        return LibC.read(fd.Fd, &count, sizeof(ulong)) == sizeof(ulong) ? count : 0;
    }

    public void Dispose() => Descriptor.Dispose();
}

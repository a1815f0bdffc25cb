using System.Runtime.InteropServices;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Handles;

/// <summary>What a descriptor may become: the bits of epoll_ctl(2).</summary>
[Flags]
internal enum EpollEvents : uint
{
    None = 0,
    Readable = 0x1,
    Writable = 0x4,
    Error = 0x8,
    HungUp = 0x10,
    PeerClosed = 0x2000,
    EdgeTriggered = 1u << 31,
}

/// <summary>Waits for many descriptors at once (epoll(7)). One thread waits; any thread may change the set.</summary>
internal sealed class Epoll : IDisposable
{
    private const int MostEvents = 64;
    private readonly FileDescriptor _epoll;
    private readonly epoll_event[] _events = GC.AllocateArray<epoll_event>(MostEvents, pinned: true);

    public Epoll()
    {
        var fd = LibC.epoll_create1(LibC.EPOLL_CLOEXEC);
        _epoll = fd >= 0 ? new(fd) : throw LinuxException.Last("create an epoll instance");
    }

    /// <param name="token">Comes back with each event.</param>
    public void Add(FileDescriptor descriptor, EpollEvents events, ulong token) => Control(LibC.EPOLL_CTL_ADD, descriptor, events, token);

    public void Change(FileDescriptor descriptor, EpollEvents events, ulong token) => Control(LibC.EPOLL_CTL_MOD, descriptor, events, token);

    /// <summary>No event of it after the batch that is being handled.</summary>
    public void Remove(FileDescriptor descriptor) => Control(LibC.EPOLL_CTL_DEL, descriptor, EpollEvents.None, 0);

    /// <summary>Waits, for as long as it takes unless told; returns how many events <see cref="this"/> now holds, zero after a signal.</summary>
    /// <param name="milliseconds">-1: for as long as it takes.</param>
    public unsafe int Wait(int milliseconds = -1)
    {
        using var fd = _epoll.Borrow();
        fixed (epoll_event* events = _events)
        {
            // SAFETY: the kernel writes at most MostEvents entries of the pinned array during the call.
            var count = LibC.epoll_wait(fd.Fd, events, MostEvents, milliseconds);
            if (count >= 0) return count;
            return Marshal.GetLastPInvokeError() == LibC.EINTR ? 0 : throw LinuxException.Last("wait for events");
        }
    }

    public (ulong Token, EpollEvents Events) this[int index] => (_events[index].data, (EpollEvents)_events[index].events);

    public void Dispose() => _epoll.Dispose();

    private unsafe void Control(int operation, FileDescriptor descriptor, EpollEvents events, ulong token)
    {
        var change = new epoll_event { events = (uint)events, data = token };
        using var epoll = _epoll.Borrow();
        using var fd = descriptor.Borrow();
        // SAFETY: the structure lives on this stack during the call.
        if (LibC.epoll_ctl(epoll.Fd, operation, fd.Fd, &change) != 0) throw LinuxException.Last("change what is waited for");
    }
}

using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Handles;

/// <summary>A timer on CLOCK_MONOTONIC that becomes readable when it is due (timerfd_create(2)). Never blocks.</summary>
internal sealed class TimerFd : IDisposable
{
    public TimerFd()
    {
        var fd = LibC.timerfd_create(LibC.CLOCK_MONOTONIC, LibC.TFD_NONBLOCK | LibC.TFD_CLOEXEC);
        Descriptor = fd >= 0 ? new(fd) : throw LinuxException.Last("create a timer");
    }

    public FileDescriptor Descriptor { get; }

    /// <summary>Due after <paramref name="delay"/> (at least a nanosecond), and then each <paramref name="period"/>; null: once.</summary>
    public void Arm(TimeSpan delay, TimeSpan? period = null) =>
        Set(new() { it_value = Spec(delay > TimeSpan.Zero ? delay : TimeSpan.FromTicks(1)), it_interval = Spec(period ?? TimeSpan.Zero) });

    public void Disarm() => Set(default);

    /// <summary>How often it was due since the last call; zero when not.</summary>
    public unsafe ulong Drain()
    {
        ulong count = 0;
        using var fd = Descriptor.Borrow();
        // SAFETY: eight bytes of this stack, written during the call.
        return LibC.read(fd.Fd, &count, sizeof(ulong)) == sizeof(ulong) ? count : 0;
    }

    public void Dispose() => Descriptor.Dispose();

    private static timespec Spec(TimeSpan time) =>
        new() { tv_sec = time.Ticks / TimeSpan.TicksPerSecond, tv_nsec = time.Ticks % TimeSpan.TicksPerSecond * 100 };

    private unsafe void Set(itimerspec value)
    {
        using var fd = Descriptor.Borrow();
        // SAFETY: the structure lives on this stack during the call.
        if (LibC.timerfd_settime(fd.Fd, 0, &value, null) != 0) throw LinuxException.Last("set a timer");
    }
}

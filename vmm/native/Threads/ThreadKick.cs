using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Threads;

/// <summary>
/// Gets a thread out of a system call that opens one signal for its own length (KVM_RUN with a signal mask). The signal
/// is blocked in the thread at all other times, so no handler ever runs, and a kick sent just before the call is not lost:
/// it stays pending and ends the call at once.
/// </summary>
/// <remarks>Made, consumed and disposed by the thread itself; <see cref="Send"/> is anybody's.</remarks>
internal sealed class ThreadKick : IDisposable
{
    /// <summary>
    /// SIGRTMAX - 1. The C library takes 32 and 33 for itself and .NET's runtime 34 (SIGRTMIN), both from the lower end, and
    /// debuggers use the last one.
    /// </summary>
    public const int Signal = 63;

    private const ulong SignalBit = 1ul << (Signal - 1);
    private readonly Lock _lock = new();
    private readonly int _process = LibC.getpid();
    private int _thread;

    /// <summary>For the calling thread, where the signal is blocked from now on.</summary>
    public unsafe ThreadKick()
    {
        sigset_t set = default, old;
        set[0] = SignalBit;
        // SAFETY: both sets live on this stack during the call.
        var errno = LibC.pthread_sigmask(LibC.SIG_BLOCK, &set, &old);
        if (errno != 0) throw new LinuxException($"block signal {Signal}", errno);
        OpenMask = old[0] & ~SignalBit;
        _thread = LibC.gettid();
    }

    /// <summary>The thread's own signal mask with the kick let through.</summary>
    public ulong OpenMask { get; }

    /// <summary>Any thread, at any time.</summary>
    public void Send()
    {
        // Under the lock, since the number of a thread that is gone may become another's, which has the signal open.
        lock (_lock)
        {
            if (_thread != 0 && LibC.tgkill(_process, _thread, Signal) != 0) throw LinuxException.Last("kick a virtual CPU");
        }
    }

    /// <summary>Takes a kick that has come to the calling thread, if there is one.</summary>
    public static unsafe bool TryConsume()
    {
        sigset_t set = default;
        set[0] = SignalBit;
        timespec now = default;
        // SAFETY: both structures live on this stack during the call.
        return LibC.sigtimedwait(&set, null, &now) == Signal;
    }

    /// <summary>No kick is sent from now on; one that is pending goes with the thread.</summary>
    public void Dispose()
    {
        lock (_lock) _thread = 0;
    }
}

using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Processes;

/// <summary>
/// Threads for work that blocks, kept for the next such work: making one is some twenty system calls, and its first moments are code that a
/// restored machine has not run yet. Unlike the pool's they are never missed by other work while they block.
/// </summary>
internal sealed class KeptThread
{
    private const int Stack = 256 * 1024;

    private static readonly ConcurrentStack<KeptThread> s_idle = new();

    // Of the kernel: a Monitor's pulse goes a long way here before it is a system call.
    private readonly SafeFileHandle _wake = KernelFile.EventFd(flags: 0);
    private Action? _work;

    private KeptThread(Action work) => _work = work;

    /// <param name="work">Must not throw.</param>
    public static void Run(Action work)
    {
        if (s_idle.TryPop(out var idle))
        {
            Volatile.Write(ref idle._work, work);
            KernelFile.Signal(idle._wake);
            return;
        }

        var kept = new KeptThread(work);
        new Thread(kept.Loop, Stack) { IsBackground = true, Name = "kept" }.Start();
    }

    private void Loop()
    {
        while (true)
        {
            Take()();
            s_idle.Push(this);
        }
    }

    private Action Take()
    {
        while (true)
        {
            if (Interlocked.Exchange(ref _work, null) is { } work) return work;
            KernelFile.Await(_wake);
        }
    }
}

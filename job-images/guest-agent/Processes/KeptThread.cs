using System.Collections.Concurrent;

namespace RunnerVm.GuestAgent.Processes;

/// <summary>
/// Threads for work that blocks, kept for the next such work: making one is some twenty system calls, and its first moments are code that a
/// restored machine has not run yet. Unlike the pool's they are never missed by other work while they block.
/// </summary>
internal sealed class KeptThread
{
    private const int Stack = 256 * 1024;

    private static readonly ConcurrentStack<KeptThread> s_idle = new();

    private readonly object _lock = new();
    private Action? _work;

    private KeptThread(Action work) => _work = work;

    /// <param name="work">Must not throw.</param>
    public static void Run(Action work)
    {
        if (s_idle.TryPop(out var idle))
        {
            lock (idle._lock)
            {
                idle._work = work;
                Monitor.Pulse(idle._lock);
            }

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
        lock (_lock)
        {
            while (_work is null) Monitor.Wait(_lock);
            var work = _work;
            _work = null;
            return work;
        }
    }
}

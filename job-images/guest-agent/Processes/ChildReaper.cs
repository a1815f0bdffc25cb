using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Processes;

/// <summary>How a process ended: exactly one is set.</summary>
internal readonly record struct ProcessEnd(int? ExitCode, int? Signal);

/// <summary>A process of ours, known to the reaper from its first moment.</summary>
internal sealed class Child(int pid)
{
    // What follows runs on the reaper's thread: it waits for nothing, and the way to a pool thread is long in a restored machine.
    private readonly TaskCompletionSource<ProcessEnd> _ended = new();

    /// <summary>Also its session and process group.</summary>
    public int Pid => pid;

    public Task<ProcessEnd> Ended => _ended.Task;

    internal bool Reaped { get; set; }

    internal void SetEnded(ProcessEnd end) => _ended.TrySetResult(end);
}

/// <summary>
/// The only caller of waitid. As PID 1 it takes every child there is, orphans of the job included; elsewhere (in tests)
/// only those it started. A child is looked at first and taken under the lock, so its number cannot be used again
/// between its end and the moment everybody knows, and none that ends before it is registered is lost.
/// </summary>
internal sealed unsafe class ChildReaper
{
    private readonly bool _reapOrphans;
    private readonly object _lock = new();
    private readonly Dictionary<int, Child> _children = [];

    public ChildReaper(bool reapOrphans)
    {
        _reapOrphans = reapOrphans;
        if (reapOrphans) StartThread(ReapAll);
    }

    /// <summary>Runs <paramref name="spawn"/>, which starts one process and returns its number, and registers it.</summary>
    public Child Start(Func<int> spawn)
    {
        Child child;
        lock (_lock)
        {
            child = new(spawn());
            _children[child.Pid] = child;
            Monitor.PulseAll(_lock);
        }

        if (!_reapOrphans) StartThread(() => ReapNext(Libc.P_PID, child.Pid));
        return child;
    }

    /// <summary>Sends a signal to the process group of a child, unless the child has ended.</summary>
    public void Signal(Child child, int signal)
    {
        lock (_lock)
        {
            if (!child.Reaped) _ = Libc.kill(-child.Pid, signal);
        }
    }

    private static void StartThread(Action run) => new Thread(() => run(), 256 * 1024) { IsBackground = true, Name = "reaper" }.Start();

    private void ReapAll()
    {
        while (true)
        {
            // Without children there are no orphans either, so a start is the only thing to wait for.
            if (ReapNext(Libc.P_ALL, 0)) continue;
            lock (_lock)
            {
                while (_children.Count == 0) Monitor.Wait(_lock);
            }
        }
    }

    /// <returns>False when there is no child at all.</returns>
    private bool ReapNext(int idType, int id)
    {
        Libc.SignalInfo info = default;
        // SAFETY: the kernel fills the structure on the stack.
        while (Libc.waitid(idType, id, &info, Libc.WEXITED | Libc.WNOWAIT) < 0)
        {
            if (Libc.Errno != Libc.EINTR) return false;
        }

        Child? child;
        lock (_lock)
        {
            var pid = info.si_pid;
            // SAFETY: as above. posix_spawn may have taken a child that could not exec: then there is nothing to take.
            if (Libc.waitid(Libc.P_PID, pid, &info, Libc.WEXITED) < 0) return true;
            if (!_children.Remove(pid, out child)) return true;
            child.Reaped = true;
        }

        child.SetEnded(info.si_code == Libc.CLD_EXITED ? new(info.si_status & 0xff, null) : new(null, info.si_status));
        return true;
    }
}

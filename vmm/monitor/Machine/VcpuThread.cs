using RunnerVm.Vmm.Native.Threads;
using Condition = System.Threading.Monitor;

namespace RunnerVm.Vmm.Monitor.Machine;

/// <summary>
/// A thread for a virtual CPU that may not be there yet: a thread takes a fifth of a millisecond to begin, and a monitor has time for
/// that before its first request.
/// </summary>
internal sealed class VcpuThread : IDisposable
{
    /// <summary>Deep enough for a device's deepest call, and the runtime's own needs.</summary>
    private const int StackBytes = 256 * 1024;

    private readonly object _lock = new();
    private readonly Thread _thread;
    private ThreadKick? _kick;
    private Action? _life;
    private bool _over;

    /// <summary>Begun when this returns: it makes none of a thread's first calls afterwards, which no filter allows.</summary>
    public VcpuThread(int index)
    {
        _thread = new Thread(Run, StackBytes) { Name = $"vcpu {index}", IsBackground = true };
        _thread.Start();
        lock (_lock)
        {
            while (_kick is null) Condition.Wait(_lock);
        }
    }

    /// <summary>What gets it out of the guest.</summary>
    public ThreadKick Kick => _kick!;

    /// <summary>Once: what it is there for.</summary>
    public void Begin(Action life)
    {
        lock (_lock)
        {
            _life = life;
            Condition.PulseAll(_lock);
        }
    }

    /// <summary>Waits for the end of what it was there for, if anything. Not on the thread itself.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _over = true;
            Condition.PulseAll(_lock);
        }

        _thread.Join();
    }

    private void Run()
    {
        using var kick = new ThreadKick();
        lock (_lock)
        {
            _kick = kick;
            Condition.PulseAll(_lock);
            while (_life is null && !_over) Condition.Wait(_lock);
        }

        _life?.Invoke();
    }
}

using System.Collections.Concurrent;

namespace RunnerVm.Machines;

/// <summary>
/// One thread that starts processes and lives as long as the program. Linux sends a child its parent-death signal
/// when the <em>thread</em> that forked it ends, not the process: a child started from a thread-pool thread would
/// be killed whenever the pool retires that thread.
/// </summary>
internal sealed class StarterThread
{
    private readonly BlockingCollection<Action> _work = [];
    private readonly Lazy<Thread> _thread;

    public StarterThread() => _thread = new(() =>
    {
        var thread = new Thread(Run) { IsBackground = true, Name = "process-starter" };
        thread.Start();
        return thread;
    });

    /// <summary>Runs <paramref name="start"/> on the thread; what it throws comes out of the task.</summary>
    public Task<T> RunAsync<T>(Func<T> start)
    {
        _ = _thread.Value;
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        _work.Add(() =>
        {
            try
            {
                done.SetResult(start());
            }
            catch (Exception e) // Not handled here: handed to whoever awaits the task.
            {
                done.SetException(e);
            }
        });
        return done.Task;
    }

    private void Run()
    {
        foreach (var action in _work.GetConsumingEnumerable()) action();
    }
}

using System.Collections.Concurrent;
using RunnerVm.Vmm.Native.Handles;

namespace RunnerVm.Vmm.Monitor.Control;

/// <summary>
/// The monitor's one thread beside vCPUs and API: waits for descriptors, calls who watches them, one at a time. Nobody may
/// block it. Everything that changes the machine runs here, so it needs no locks among itself.
/// </summary>
internal sealed class EventLoop : IDisposable
{
    private const ulong WakeToken = 0;
    private readonly Epoll _epoll = new();
    private readonly EventFd _wake = new();
    private readonly ConcurrentQueue<Action> _posted = new();
    private readonly ConcurrentDictionary<ulong, Watch> _watches = new();
    private ulong _lastToken = WakeToken;
    private volatile bool _stopping;

    public EventLoop() => _epoll.Add(_wake.Descriptor, EpollEvents.Readable, WakeToken);

    /// <summary>Any thread. The handler runs on the loop until the watch is disposed; afterwards never again, if disposed on the loop.</summary>
    /// <param name="descriptor">The caller's; it must stay open until the watch is disposed.</param>
    public Watch Watch(FileDescriptor descriptor, EpollEvents events, Action<EpollEvents> handler)
    {
        var token = Interlocked.Increment(ref _lastToken);
        var watch = new Watch(this, token, descriptor, handler);
        _watches[token] = watch;
        _epoll.Add(descriptor, events, token);
        return watch;
    }

    /// <summary>Any thread: runs <paramref name="action"/> on the loop, after what was posted before it.</summary>
    public void Post(Action action)
    {
        _posted.Enqueue(action);
        _wake.Signal();
    }

    /// <summary>Ends <see cref="Run"/> after the handler that runs now. Any thread.</summary>
    public void Stop()
    {
        _stopping = true;
        _wake.Signal();
    }

    /// <summary>On the thread that is to be the loop; returns after <see cref="Stop"/>. What a handler throws ends it.</summary>
    public void Run()
    {
        while (!_stopping) Serve(-1);
    }

    /// <summary>Calls whoever has something now, once; waits at most <paramref name="milliseconds"/> for somebody to.</summary>
    /// <returns>False when nothing came.</returns>
    public bool RunOnce(int milliseconds) => Serve(milliseconds) > 0;

    public void Dispose()
    {
        _epoll.Dispose();
        _wake.Dispose();
    }

    internal void Change(Watch watch, EpollEvents events) => _epoll.Change(watch.Descriptor, events, watch.Token);

    internal void Forget(Watch watch)
    {
        if (_watches.TryRemove(watch.Token, out _)) _epoll.Remove(watch.Descriptor);
    }

    private int Serve(int milliseconds)
    {
        var count = _epoll.Wait(milliseconds);
        for (var i = 0; i < count && !_stopping; i++)
        {
            var (token, events) = _epoll[i];
            if (token == WakeToken) RunPosted();
            else if (_watches.TryGetValue(token, out var watch)) watch.Handler(events);
        }

        return count;
    }

    private void RunPosted()
    {
        _wake.Drain();
        while (!_stopping && _posted.TryDequeue(out var action)) action();
    }
}

/// <summary>A descriptor somebody waits for. Disposing stops the waiting and leaves the descriptor open.</summary>
internal sealed class Watch : IDisposable
{
    private readonly EventLoop _loop;

    internal Watch(EventLoop loop, ulong token, FileDescriptor descriptor, Action<EpollEvents> handler) =>
        (_loop, Token, Descriptor, Handler) = (loop, token, descriptor, handler);

    internal ulong Token { get; }

    internal FileDescriptor Descriptor { get; }

    internal Action<EpollEvents> Handler { get; }

    /// <summary>Nobody waits any more. Where the watch is disposed on another thread the loop may still call the handler once.</summary>
    public bool IsDisposed { get; private set; }

    /// <summary>Waits for other events from now on; <see cref="EpollEvents.None"/> still reports errors and hang-ups.</summary>
    public void Change(EpollEvents events) => _loop.Change(this, events);

    public void Dispose()
    {
        IsDisposed = true;
        _loop.Forget(this);
    }
}

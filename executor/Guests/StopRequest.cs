namespace RunnerVm.Guests;

/// <summary>
/// A wish that something should stop, in three steps that follow by themselves: asked politely (SIGTERM), after the
/// grace killed (SIGKILL in the guest), and when even that brings no end, abandoned: the machine is ended around it.
/// </summary>
internal sealed class StopRequest : IDisposable
{
    private static readonly TimeSpan KillPatience = TimeSpan.FromSeconds(3);

    private readonly Lock _lock = new();
    private readonly TimeSpan _grace;
    private readonly CancellationTokenSource _asked = new();
    private readonly CancellationTokenSource _killed = new();
    private readonly CancellationTokenSource _abandoned = new();
    private readonly ITimer _timer;
    private readonly CancellationTokenRegistration _parentAsked;
    private readonly CancellationTokenRegistration _parentAbandoned;

    /// <param name="grace">Between asking and killing.</param>
    /// <param name="parent">What stops this too; its own timing is its own.</param>
    public StopRequest(TimeProvider time, TimeSpan grace, StopRequest? parent = null)
    {
        _grace = grace;
        _timer = time.CreateTimer(_ => Escalate(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        if (parent is null) return;
        _parentAsked = parent.Asked.Register(Ask);
        _parentAbandoned = parent.Abandoned.Register(Abandon);
    }

    public CancellationToken Asked => _asked.Token;

    public CancellationToken Killed => _killed.Token;

    public CancellationToken Abandoned => _abandoned.Token;

    /// <summary>Begins to stop; the first call counts.</summary>
    public void Ask()
    {
        lock (_lock)
        {
            if (_asked.IsCancellationRequested) return;
            _timer.Change(_grace, Timeout.InfiniteTimeSpan);
        }

        _asked.Cancel();
    }

    /// <summary>No more patience at all.</summary>
    public void Abandon()
    {
        Ask();
        _killed.Cancel();
        _abandoned.Cancel();
    }

    public void Dispose()
    {
        _parentAsked.Dispose();
        _parentAbandoned.Dispose();
        _timer.Dispose();
        // The sources stay: they hold nothing but memory, and the timer's last call may still be under way.
    }

    private void Escalate()
    {
        if (_killed.IsCancellationRequested)
        {
            _abandoned.Cancel();
            return;
        }

        _timer.Change(KillPatience, Timeout.InfiniteTimeSpan);
        _killed.Cancel();
    }
}

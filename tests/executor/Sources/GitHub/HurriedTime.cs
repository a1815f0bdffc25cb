using Microsoft.Extensions.Time.Testing;

namespace RunnerVm.Tests.Executor.Sources.GitHub;

/// <summary>A clock that is set forward to whatever is waited for: pauses between tries take no time, and can be read off it.</summary>
internal sealed class HurriedTime : FakeTimeProvider
{
    private readonly TimeSpan _left;

    /// <param name="left">A limit that must not be reached by hurrying; default: none.</param>
    public HurriedTime(DateTimeOffset start, TimeSpan left = default)
        : base(start) => _left = left;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = base.CreateTimer(callback, state, dueTime, period);
        if (dueTime > TimeSpan.Zero && dueTime != _left) ThreadPool.QueueUserWorkItem(_ => Advance(dueTime));
        return timer;
    }
}

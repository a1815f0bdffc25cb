using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Native.Handles;

namespace RunnerVm.Vmm.Monitor.RateLimiting;

/// <summary>
/// A device's traffic in requests and bytes a second. When a request has to wait, the timer is set for when its tokens will
/// be there; until it was due nothing passes, so that a small request does not overtake a large one for ever.
/// </summary>
/// <remarks>
/// Under the device's lock. The timer exists even without limits: they may come later, when no more descriptors may be made.
/// Firecracker asks again each 100 ms; a wait here is as long as it has to be.
/// </remarks>
internal sealed class RateLimiter : IDisposable
{
    /// <summary>Between two attempts, so that a high limit does not become a storm of timers.</summary>
    private static readonly TimeSpan ShortestWait = TimeSpan.FromMilliseconds(1);

    private readonly TimeProvider _clock;
    private readonly TimerFd _timer = new();
    private TokenBucket? _bytes;
    private TokenBucket? _operations;

    /// <param name="clock">Null: the system's.</param>
    public RateLimiter(RateLimiterConfiguration? configuration, TimeProvider? clock = null)
    {
        _clock = clock ?? TimeProvider.System;
        _bytes = TokenBucket.Of(configuration?.Bandwidth, _clock);
        _operations = TokenBucket.Of(configuration?.Ops, _clock);
    }

    /// <summary>Readable when a request that had to wait may be tried again; then call <see cref="OnTimer"/>.</summary>
    public FileDescriptor Timer => _timer.Descriptor;

    /// <summary>A request waits: nothing passes now.</summary>
    public bool IsBlocked { get; private set; }

    /// <summary>One request of so many bytes. False: it has to wait, and nothing was taken for it.</summary>
    public bool TryConsume(long bytes)
    {
        if (IsBlocked) return false;
        var wait = _operations?.DelayFor(1) ?? TimeSpan.Zero;
        if (_bytes?.DelayFor(bytes) is { } waitForBytes && waitForBytes > wait) wait = waitForBytes;
        if (wait > TimeSpan.Zero)
        {
            IsBlocked = true;
            _timer.Arm(wait > ShortestWait ? wait : ShortestWait);
            return false;
        }

        _operations?.Take(1);
        _bytes?.Take(bytes);
        return true;
    }

    public void OnTimer()
    {
        if (_timer.Drain() > 0) IsBlocked = false;
    }

    /// <summary>A bucket that is not named stays as it is; one that is begins full; size or refill time zero takes it away.</summary>
    public void Update(RateLimiterConfiguration? change)
    {
        if (change?.Bandwidth is { } bandwidth) _bytes = TokenBucket.Of(bandwidth, _clock);
        if (change?.Ops is { } ops) _operations = TokenBucket.Of(ops, _clock);
        if (IsBlocked) _timer.Arm(TimeSpan.Zero); // What waits is judged anew.
    }

    /// <summary>Nobody waits any more. What was taken stays taken: a driver does not get round its limits by a reset.</summary>
    public void Forget()
    {
        _timer.Disarm();
        IsBlocked = false;
    }

    public void Dispose() => _timer.Dispose();
}

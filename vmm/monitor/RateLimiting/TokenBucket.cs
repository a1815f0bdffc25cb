using RunnerVm.Vmm.Monitor.Configuration;

namespace RunnerVm.Vmm.Monitor.RateLimiting;

/// <summary>
/// Tokens that come back steadily: full in the beginning and after <c>refill_time</c> without use, plus a burst that is spent
/// first and never comes back. Whoever wants more than a full bucket gets it at once and puts the bucket in debt: nothing
/// more is given until that is paid, as in Firecracker.
/// </summary>
/// <remarks>Exact: what integer division leaves over is kept for the next time, so no rate drifts however often it is asked.</remarks>
internal sealed class TokenBucket
{
    private readonly TimeProvider _clock;
    private readonly long _size;
    private readonly Int128 _refillTicks;
    private long _burst;
    private long _budget;
    private long _updated;
    private Int128 _rest;

    private TokenBucket(long size, long burst, Int128 refillTicks, TimeProvider clock)
    {
        (_size, _burst, _refillTicks, _clock) = (size, burst, refillTicks, clock);
        (_budget, _updated) = (size, clock.GetTimestamp());
    }

    /// <summary>Null where there is no limit: no configuration, or a size or refill time of zero.</summary>
    public static TokenBucket? Of(TokenBucketConfiguration? configuration, TimeProvider clock)
    {
        if (configuration is not { Size: > 0, RefillTime: > 0 }) return null;
        // A refill so fast that the clock cannot see it is one tick.
        var ticks = Int128.Max(1, (Int128)configuration.RefillTime * clock.TimestampFrequency / 1000);
        return new(configuration.Size, Math.Max(0, configuration.OneTimeBurst ?? 0), ticks, clock);
    }

    /// <summary>Zero when <see cref="Take"/> may be called now, else how long from now it will be so.</summary>
    public TimeSpan DelayFor(long tokens)
    {
        Refill();
        var need = tokens - Math.Min(_burst, tokens);
        if (_budget >= 0 && (need <= _budget || need > _size)) return TimeSpan.Zero;
        // In debt, a request above the size waits until it is paid, and no longer.
        var missing = need > _size ? -(Int128)_budget : (Int128)need - _budget;
        return TimeToGet(missing);
    }

    /// <summary>After <see cref="DelayFor"/> said zero for as many.</summary>
    public void Take(long tokens)
    {
        var fromBurst = Math.Min(_burst, tokens);
        _burst -= fromBurst;
        _budget -= tokens - fromBurst;
    }

    private void Refill()
    {
        var now = _clock.GetTimestamp();
        var earned = ((Int128)(now - _updated) * _size) + _rest;
        _updated = now;
        var tokens = earned / _refillTicks;
        if (tokens >= (Int128)_size - _budget) (_budget, _rest) = (_size, 0);
        else (_budget, _rest) = (_budget + (long)tokens, earned % _refillTicks);
    }

    /// <summary>Rounded up, so that the tokens are there when it has passed.</summary>
    private TimeSpan TimeToGet(Int128 missing)
    {
        var ticks = ((missing * _refillTicks) - _rest + _size - 1) / _size;
        var time = ((ticks * TimeSpan.TicksPerSecond) + _clock.TimestampFrequency - 1) / _clock.TimestampFrequency;
        return TimeSpan.FromTicks(time < TimeSpan.MaxValue.Ticks ? (long)time : TimeSpan.MaxValue.Ticks);
    }
}

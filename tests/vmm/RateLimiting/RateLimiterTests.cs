using Microsoft.Extensions.Time.Testing;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.RateLimiting;
using RunnerVm.Vmm.Native.Handles;
using Xunit;

namespace RunnerVm.Tests.Vmm.RateLimiting;

public sealed class RateLimiterTests
{
    private readonly FakeTimeProvider _clock = new();

    [Fact]
    public void Without_limits_everything_passes()
    {
        using var limiter = new RateLimiter(null, _clock);
        for (var i = 0; i < 1000; i++) Assert.True(limiter.TryConsume(uint.MaxValue));
    }

    [Fact]
    public void A_request_that_waits_has_taken_nothing()
    {
        using var limiter = new RateLimiter(new() { Bandwidth = Bucket(100), Ops = Bucket(2) }, _clock);
        Assert.True(limiter.TryConsume(60));
        Assert.False(limiter.TryConsume(60)); // bytes are missing, an operation is not
        limiter.Update(new() { Bandwidth = Bucket(0) });
        WaitForTimer(limiter);
        Assert.True(limiter.TryConsume(60));
        Assert.False(limiter.TryConsume(0));
    }

    [Fact]
    public void Nothing_overtakes_a_request_that_waits()
    {
        using var limiter = new RateLimiter(new() { Bandwidth = Bucket(100) }, _clock);
        Assert.True(limiter.TryConsume(90));
        Assert.False(limiter.TryConsume(20));
        Assert.True(limiter.IsBlocked);
        Assert.False(limiter.TryConsume(1));
    }

    [Fact]
    public void The_timer_comes_when_the_tokens_are_there()
    {
        using var limiter = new RateLimiter(new() { Ops = new() { Size = 1, RefillTime = 20 } });
        Assert.True(limiter.TryConsume(0));
        Assert.False(limiter.TryConsume(0));
        WaitForTimer(limiter);
        Assert.True(limiter.TryConsume(0));
    }

    private static TokenBucketConfiguration Bucket(long size) => new() { Size = size, RefillTime = 1000 };

    private static void WaitForTimer(RateLimiter limiter)
    {
        using var epoll = new Epoll();
        epoll.Add(limiter.Timer, EpollEvents.Readable, 1);
        Assert.Equal(1, epoll.Wait(60_000));
        limiter.OnTimer();
        Assert.False(limiter.IsBlocked);
    }
}

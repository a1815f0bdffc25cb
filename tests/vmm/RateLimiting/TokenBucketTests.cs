using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Time.Testing;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.RateLimiting;
using Xunit;

namespace RunnerVm.Tests.Vmm.RateLimiting;

public sealed class TokenBucketTests
{
    private readonly FakeTimeProvider _clock = new();

    [Theory]
    [InlineData(0, 100)]
    [InlineData(100, 0)]
    public void Size_or_refill_time_zero_is_no_limit(long size, long refill) =>
        Assert.Null(TokenBucket.Of(new() { Size = size, RefillTime = refill }, _clock));

    [Fact]
    public void It_begins_full_and_refills_steadily()
    {
        var bucket = Bucket(1000, refill: 100);
        Take(bucket, 1000);
        Assert.Equal(Milliseconds(50), bucket.DelayFor(500));
        _clock.Advance(Milliseconds(49.9));
        Assert.Equal(Milliseconds(0.1), bucket.DelayFor(500));
        _clock.Advance(Milliseconds(0.1));
        Take(bucket, 500);
        Assert.Equal(Milliseconds(0.1), bucket.DelayFor(1));
    }

    [Fact]
    public void It_never_holds_more_than_its_size()
    {
        var bucket = Bucket(10, refill: 1000);
        _clock.Advance(TimeSpan.FromHours(1));
        Take(bucket, 10);
        Assert.Equal(Milliseconds(100), bucket.DelayFor(1));
    }

    [Fact]
    public void The_burst_is_spent_first_and_once()
    {
        var bucket = Bucket(10, refill: 1000, burst: 25);
        Take(bucket, 20);
        Take(bucket, 15); // 5 of the burst, 10 of the bucket
        Assert.Equal(Milliseconds(1000), bucket.DelayFor(10));
        _clock.Advance(TimeSpan.FromHours(1));
        Take(bucket, 10);
        Assert.NotEqual(TimeSpan.Zero, bucket.DelayFor(1));
    }

    [Fact]
    public void More_than_a_full_bucket_passes_at_once_and_is_paid_for_afterwards()
    {
        var bucket = Bucket(100, refill: 1000);
        Take(bucket, 350); // 100 were there: 250 on credit
        Assert.Equal(Milliseconds(2510), bucket.DelayFor(1));
        Assert.Equal(Milliseconds(2500), bucket.DelayFor(101)); // again more than it holds: as soon as the debt is paid
        _clock.Advance(Milliseconds(2500));
        Take(bucket, 101);
        Assert.Equal(Milliseconds(1020), bucket.DelayFor(1));
    }

    [Fact]
    public void The_largest_numbers_do_not_overflow()
    {
        var bucket = Bucket(long.MaxValue, refill: long.MaxValue, burst: long.MaxValue);
        Take(bucket, long.MaxValue);
        Take(bucket, long.MaxValue);
        Assert.Equal(Milliseconds(1), bucket.DelayFor(1));
        _clock.Advance(TimeSpan.FromDays(1000));
        Assert.Equal(TimeSpan.Zero, bucket.DelayFor(1));
    }

    [Fact]
    public void In_any_stretch_of_time_no_more_passes_than_size_burst_and_rate_allow_and_no_token_is_lost()
    {
        var inputs = 0;
        var steps = Gen.Zip(Gen.Choose(0, 3000), Gen.Choose(0, 2_000_000)).ArrayOf(60);
        var runs = Gen.Zip(Gen.Zip(Gen.Choose(1, 1000), Gen.Choose(1, 5000)), Gen.Zip(Gen.Choose(0, 2000), steps));
        Prop.ForAll(Arb.From(runs), run =>
        {
            inputs++;
            var ((size, refill), (burst, requests)) = run;
            var clock = new FakeTimeProvider();
            var bucket = TokenBucket.Of(new() { Size = size, RefillTime = refill, OneTimeBurst = burst }, clock)!;
            double elapsed = 0, taken = 0, model = size, modelBurst = burst;
            foreach (var (tokens, microseconds) in requests)
            {
                var step = Milliseconds(microseconds / 1000.0);
                clock.Advance(step);
                elapsed += step.TotalMilliseconds;
                model = Math.Min(size, model + (step.TotalMilliseconds * size / refill));
                var delay = bucket.DelayFor(tokens);
                if (delay > TimeSpan.Zero)
                {
                    // When the time has passed it is so, and a tick before it is not.
                    clock.Advance(delay - TimeSpan.FromTicks(1));
                    if (bucket.DelayFor(tokens) == TimeSpan.Zero) return false;
                    clock.Advance(TimeSpan.FromTicks(1));
                    elapsed += delay.TotalMilliseconds;
                    model = Math.Min(size, model + (delay.TotalMilliseconds * size / refill));
                    if (bucket.DelayFor(tokens) != TimeSpan.Zero) return false;
                }

                bucket.Take(tokens);
                taken += tokens;
                var fromBurst = Math.Min(modelBurst, tokens);
                modelBurst -= fromBurst;
                model -= tokens - fromBurst;
                // Only a request above the size is on credit, and not for more than itself.
                if (model < (tokens > size ? -tokens : 0) - 1) return false;
                if (taken > burst + size + (elapsed * size / refill) + Math.Max(0, -model) + 1) return false;
            }

            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
        TestContext.Current.TestOutputHelper?.WriteLine($"{inputs} runs of 60 requests");
        Assert.True(inputs >= 2000);
    }

    private static TimeSpan Milliseconds(double value) => TimeSpan.FromTicks((long)Math.Round(value * TimeSpan.TicksPerMillisecond));

    private TokenBucket Bucket(long size, long refill, long burst = 0) =>
        TokenBucket.Of(new() { Size = size, RefillTime = refill, OneTimeBurst = burst }, _clock)!;

    private static void Take(TokenBucket bucket, long tokens)
    {
        Assert.Equal(TimeSpan.Zero, bucket.DelayFor(tokens));
        bucket.Take(tokens);
    }
}

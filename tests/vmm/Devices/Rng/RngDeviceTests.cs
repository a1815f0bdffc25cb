using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Rng;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Rng;

public sealed class RngDeviceTests
{
    [Fact]
    public void Buffers_are_filled_whole_and_differently()
    {
        using var driver = Attach(new());
        var (first, second) = (driver.Reserve(1000), driver.Reserve(24));
        Assert.Equal(1024u, driver.Queues[0].Request(first, second));
        var bytes = driver.Bytes(first).Concat(driver.Bytes(second)).ToArray();
        // Of 1024 random bytes about 250 of the 256 values occur; fewer than 200 have a chance of less than 10^-40.
        Assert.True(bytes.Distinct().Count() > 200);
        Assert.NotEqual(driver.Bytes(first)[..24], driver.Bytes(second));
        Assert.Equal(1u, driver.TakeInterrupt());
    }

    [Fact]
    public void A_request_gets_64_KiB_at_most()
    {
        using var driver = Attach(new());
        var buffer = driver.Reserve(70_000);
        Assert.Equal(65_536u, driver.Queues[0].Request(buffer));
        Assert.All(driver.Bytes(buffer)[65_536..], static b => Assert.Equal(0, b));
    }

    [Fact]
    public void The_same_memory_offered_again_and_again_is_filled_no_further_than_that()
    {
        using var driver = Attach(new());
        var buffer = driver.Reserve(1 << 20);
        Assert.Equal(65_536u, driver.Queues[0].Request([.. Enumerable.Repeat(buffer, 200)]));
    }

    [Fact]
    public void What_is_no_request_comes_back_empty()
    {
        using var driver = Attach(new());
        Assert.Equal(0u, driver.Queues[0].Request(driver.Reserve(0)));
        Assert.Equal(0u, driver.Queues[0].Request(driver.Place(1, 2, 3)));
        var buffer = driver.Reserve(8);
        Assert.Equal(0u, driver.Queues[0].Request(driver.Place(1, 2, 3), buffer));
        Assert.Equal(new byte[8], driver.Bytes(buffer));
        Assert.Equal(2, ((RngDevice)driver.Transport.Device).Counters.Failures);
    }

    [Fact]
    public void A_limit_in_bytes_makes_the_next_request_wait()
    {
        using var driver = Attach(new() { RateLimiter = new() { Bandwidth = new() { Size = 100, RefillTime = 50 } } });
        driver.Queues[0].Add(driver.Reserve(100));
        driver.Queues[0].Add(driver.Reserve(50));
        driver.Queues[0].Kick();
        driver.Pump();
        Assert.Equal(1, driver.Queues[0].UsedIndex);
        driver.PumpUntil(() => driver.Queues[0].UsedIndex == 2, "the second request");
        Assert.True(((RngDevice)driver.Transport.Device).Counters.Throttled >= 1);
    }

    [Fact]
    public void Serving_requests_allocates_nothing()
    {
        using var driver = Attach(new());
        var buffer = driver.Reserve(64);
        driver.Queues[0].Request(buffer);
        driver.Queues[0].Add(buffer);
        var before = GC.GetAllocatedBytesForCurrentThread();
        driver.Transport.Device.OnQueueNotified(0);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(2, driver.Queues[0].UsedIndex);
    }

    private static VirtioDriver Attach(Entropy configuration) => new VirtioDriver(new RngDevice(configuration)).SetUp();
}

using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Balloon;
using RunnerVm.Vmm.Native.Memory;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Balloon;

using Configuration = RunnerVm.Vmm.Monitor.Configuration.Balloon;

public sealed class BalloonDeviceTests : IDisposable
{
    private const ulong High = 1ul << 32;
    private readonly GuestMemory _memory = new(
        [new(new(0), MappedRegion.Anonymous(4 << 20)), new(new(High), MappedRegion.Anonymous(4 << 20))]);

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void Pages_in_the_balloon_are_the_hosts_again_and_their_neighbours_stay()
    {
        using var driver = Attach(new() { AmountMib = 1, DeflateOnOom = false });
        Fill(0x300, 0x310);
        // In any order, one named twice.
        Assert.Equal(0u, Inflate(driver, 0x305, 0x303, 0x304, 0x304, 0x30a));
        Assert.Equal([0x303u, 0x304u, 0x305u, 0x30au], Empty(0x300, 0x310));
        Assert.Equal(4 * 4096, Device(driver).Counters.DiscardedBytes);
        Assert.Equal(0, Device(driver).Counters.InvalidPages);
        _memory.Write(new(0x304000), 7); // and the guest may have it back
        Assert.Equal(0u, driver.Queues[1].Request(driver.Place(BitConverter.GetBytes(0x304))));
        Assert.Equal(7, _memory.Read<int>(new(0x304000)));
        Assert.Equal(1, Device(driver).Counters.DeflateRequests);
    }

    [Fact]
    public void Pages_that_are_no_memory_are_passed_over_and_counted()
    {
        using var driver = Attach(new() { AmountMib = 1, DeflateOnOom = false });
        Fill(0x3f0, 0x400);
        Assert.Equal(0u, Inflate(driver, uint.MaxValue, 0x3ff, 0x400, 0x80000, uint.MaxValue - 1, 0x100400, 0x1003ff));
        Assert.Equal([0x3ffu], Empty(0x3f0, 0x400));
        Assert.Equal(5, Device(driver).Counters.InvalidPages);
        Assert.Empty(driver.Problems);
    }

    [Fact]
    public void A_request_that_is_no_list_of_pages_comes_back_without_effect()
    {
        using var driver = Attach(new() { AmountMib = 1, DeflateOnOom = false });
        Assert.Equal(0u, driver.Queues[0].Request(driver.Place(1, 2, 3)));
        Assert.Equal(0u, driver.Queues[0].Request(driver.Place(new byte[1025 * 4])));
        Assert.Equal(2, Device(driver).Counters.InvalidRequests);
        Assert.Equal(0u, driver.Queues[0].Request(driver.Reserve(8)));
        Assert.Equal(0, Device(driver).Counters.DiscardedBytes);
    }

    [Fact]
    public void Memory_shared_through_a_file_is_given_back_too()
    {
        var path = $"/dev/shm/vmm-balloon-{Guid.NewGuid():n}";
        using (var file = File.Create(path)) file.SetLength(1 << 20);
        try
        {
            using var shared = RunnerVm.Vmm.Native.Handles.FileDescriptor.Open(path, RunnerVm.Vmm.Native.Libc.LibC.O_RDWR);
            using var memory = new GuestMemory([new(new(0), MappedRegion.OfDevice(shared, 1 << 20, path))]);
            for (ulong page = 0; page < 256; page++) memory.Write(new(page * 4096), 1);
            Assert.True(memory.Discard(new(4096), 2 * 4096));
            Assert.Equal((1, 0, 0, 1), (memory.Read<int>(new(0)), memory.Read<int>(new(4096)), memory.Read<int>(new(8192)), memory.Read<int>(new(12288))));
            Assert.Equal(0, BitConverter.ToInt32(File.ReadAllBytes(path), 4096));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData(1ul, 4096ul)]
    [InlineData(4096ul, 4095ul)]
    [InlineData(4ul << 20, 4096ul)]
    [InlineData(ulong.MaxValue - 4095, 8192ul)]
    public void Nothing_but_whole_pages_of_the_guest_is_given_back(ulong address, ulong length) =>
        Assert.Throws<GuestMemoryException>(() => _memory.Discard(new(address), length));

    [Fact]
    public void Target_and_actual_size_go_through_the_configuration_space()
    {
        using var driver = Attach(new() { AmountMib = 3, DeflateOnOom = true });
        Assert.Equal(3 * 256u, driver.ReadConfig32(0));
        Assert.Equal(1ul << 2, driver.OfferedFeatures & 0xff);
        driver.TakeInterrupt();
        driver.Transport.WithDevice(() => Device(driver).Update(8));
        Assert.Equal(2u, driver.TakeInterrupt());
        Assert.Equal(8 * 256u, driver.ReadConfig32(0));
        driver.WriteConfig(4, BitConverter.GetBytes(512));
        driver.WriteConfig(0, BitConverter.GetBytes(1)); // not the driver's
        driver.WriteConfig(6, 1, 2, 3, 4);
        Assert.Equal((8 * 256u, 512u), (driver.ReadConfig32(0), driver.ReadConfig32(4)));
        Assert.Equal([0, 0], driver.ReadConfig(8, 2));
    }

    [Fact]
    public void A_target_above_the_memory_is_refused()
    {
        Assert.Contains("8 MiB", Assert.Throws<VmmFaultException>(() => new BalloonDevice(new() { AmountMib = 9, DeflateOnOom = false }, _memory)).Message, StringComparison.Ordinal);
        using var driver = Attach(new() { AmountMib = 0, DeflateOnOom = false });
        foreach (var amount in new[] { 9, -1, int.MaxValue })
            Assert.Throws<VmmFaultException>(() => driver.Transport.WithDevice(() => Device(driver).Update(amount)));
        driver.Status = 0;
        Assert.Contains("not set up", Assert.Throws<VmmFaultException>(() => driver.Transport.WithDevice(() => Device(driver).Update(1))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Statistics_are_asked_for_in_their_interval_and_shown()
    {
        using var driver = Attach(new() { AmountMib = 0, DeflateOnOom = false, StatsPollingIntervalS = 1 });
        var queue = driver.Queues[2];
        queue.Add(driver.Place([.. Entry(4, 1000), .. Entry(5, 2000), .. Entry(99, 1)]));
        queue.Kick();
        driver.Pump();
        Assert.Equal(0, queue.UsedIndex); // kept until new figures are wanted
        var statistics = driver.Transport.WithDevice(Device(driver).ReadStatistics);
        Assert.Equal((1000ul, 2000ul, null), (statistics.FreeMemory, statistics.TotalMemory, statistics.SwapIn));
        driver.PumpUntil(() => queue.UsedIndex == 1, "the buffer to come back after a second");
        queue.Add(driver.Place(Entry(4, 500)));
        queue.Kick();
        driver.Pump();
        Assert.Equal(500ul, driver.Transport.WithDevice(Device(driver).ReadStatistics).FreeMemory);
        Assert.Equal(1, Device(driver).Counters.StatisticsFailures);
    }

    [Fact]
    public void A_new_interval_asks_at_once_and_cannot_switch_on_or_off()
    {
        using var driver = Attach(new() { AmountMib = 0, DeflateOnOom = false, StatsPollingIntervalS = 3600 });
        driver.Queues[2].Add(driver.Place(Entry(0, 1)));
        driver.Queues[2].Kick();
        driver.Pump();
        driver.Transport.WithDevice(() => Device(driver).UpdateStatisticsInterval(1800));
        Assert.Equal(1, driver.Queues[2].UsedIndex);
        Assert.Throws<VmmFaultException>(() => driver.Transport.WithDevice(() => Device(driver).UpdateStatisticsInterval(0)));

        using var without = Attach(new() { AmountMib = 0, DeflateOnOom = false });
        Assert.Throws<VmmFaultException>(() => without.Transport.WithDevice(() => Device(without).UpdateStatisticsInterval(1)));
        Assert.Throws<VmmFaultException>(() => without.Transport.WithDevice(Device(without).ReadStatistics));
        without.Transport.WithDevice(() => Device(without).UpdateStatisticsInterval(0));
    }

    [Fact]
    public void Statistics_that_are_none_are_counted_and_the_buffer_is_kept()
    {
        using var driver = Attach(new() { AmountMib = 0, DeflateOnOom = false, StatsPollingIntervalS = 3600 });
        var queue = driver.Queues[2];
        var first = queue.Add(driver.Place(new byte[11]));
        queue.Add(driver.Place(new byte[2570]));
        queue.Kick();
        driver.Pump();
        Assert.Equal(2, Device(driver).Counters.StatisticsFailures);
        Assert.True(queue.TryCollect(out var head, out _)); // the older of two
        Assert.Equal(first, head);
        Assert.False(queue.TryCollect(out _, out _));
    }

    [Fact]
    public void Reported_free_ranges_are_the_hosts_until_they_are_touched()
    {
        using var driver = Attach(new() { AmountMib = 0, DeflateOnOom = false, FreePageReporting = true, StatsPollingIntervalS = 3600 });
        Fill(0x300, 0x310);
        driver.Queues[3].Request(Free(0x301000, 0x2000), Free(0x308000, 0x1000), Free(0x30a800, 0x1000), Free(0x30c000, 0x800));
        Assert.Equal([0x301u, 0x302u, 0x308u], Empty(0x300, 0x310));
        Assert.Equal(2, Device(driver).Counters.InvalidPages);

        static GuestBuffer Free(ulong address, uint length) => new(new(address), length, Writable: true);
    }

    [Fact]
    public void Without_statistics_agreed_on_reporting_moves_up_a_queue()
    {
        using var driver = new VirtioDriver(
            new BalloonDevice(new() { AmountMib = 0, DeflateOnOom = false, FreePageReporting = true, StatsPollingIntervalS = 1 }, _memory), _memory);
        driver.SetUp(features: driver.OfferedFeatures & ~2ul);
        Fill(0x300, 0x302);
        driver.Queues[2].Request(new GuestBuffer(new(0x301000), 0x1000, Writable: true));
        Assert.Equal([0x301u], Empty(0x300, 0x302));
    }

    [Fact]
    public void What_we_do_not_do_is_refused_with_what_to_use_instead()
    {
        var fault = Assert.Throws<VmmFaultException>(() => new BalloonDevice(new() { AmountMib = 0, DeflateOnOom = false, FreePageHinting = true }, _memory));
        Assert.Contains("free_page_reporting", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Serving_requests_allocates_nothing()
    {
        using var driver = Attach(new() { AmountMib = 1, DeflateOnOom = false });
        Inflate(driver, 0x303, 0x305);
        driver.Queues[0].Add(driver.Place([.. new uint[] { 0x306, 0x301, 0x302, 0x80000 }.SelectMany(BitConverter.GetBytes)]));
        var before = GC.GetAllocatedBytesForCurrentThread();
        driver.Transport.Device.OnQueueNotified(0);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(2, driver.Queues[0].UsedIndex);
    }

    private static byte[] Entry(ushort tag, ulong value) => [.. BitConverter.GetBytes(tag), .. BitConverter.GetBytes(value)];

    private static BalloonDevice Device(VirtioDriver driver) => (BalloonDevice)driver.Transport.Device;

    private static uint Inflate(VirtioDriver driver, params uint[] pages) =>
        driver.Queues[0].Request(driver.Place([.. pages.SelectMany(BitConverter.GetBytes)]));

    private VirtioDriver Attach(Configuration configuration) => new VirtioDriver(new BalloonDevice(configuration, _memory), _memory).SetUp();

    private void Fill(uint from, uint to)
    {
        for (var page = from; page < to; page++) _memory.Write(new(page * 4096ul), page);
    }

    private uint[] Empty(uint from, uint to) =>
        [.. Enumerable.Range((int)from, (int)(to - from)).Select(static page => (uint)page).Where(page => _memory.Read<uint>(new(page * 4096ul)) == 0)];
}

using RunnerVm.Vmm.Monitor.Devices.Virtio;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Balloon;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Block;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Rng;
using RunnerVm.Vmm.Native.Memory;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices;

/// <summary>
/// Drivers that write anything anywhere: registers, configuration space, rings, requests. Whatever they do, the device either
/// answers or is reported as broken, once; nothing else gets out of it.
/// </summary>
public sealed class HostileDriverTests : IDisposable
{
    private const int Runs = 3000;
    private readonly string _disk = Path.GetTempFileName();

    public HostileDriverTests()
    {
        using var file = File.OpenWrite(_disk);
        file.SetLength(64 * 512);
    }

    public void Dispose() => File.Delete(_disk);

    [Theory]
    [InlineData("block")]
    [InlineData("entropy")]
    [InlineData("balloon")]
    public void A_device_answers_or_is_broken_whatever_is_in_its_rings(string kind)
    {
        int broken = 0, answered = 0;
        for (var seed = 0; seed < Runs; seed++)
        {
            var random = new Random(seed);
            using var memory = new GuestMemory([new(new(0), MappedRegion.Anonymous(1 << 18))]);
            using var driver = new VirtioDriver(Device(kind, memory), memory);
            driver.SetUp(queueSize: 16);
            var queue = driver.Queues[random.Next(driver.Queues.Count)];
            for (ushort i = 0; i < 16; i++) Scribble(random, memory, queue, i);
            for (var requests = random.Next(1, 17); requests > 0; requests--) queue.MakeAvailable((ushort)random.Next(random.Next(10) == 0 ? 20 : 16));
            if (random.Next(20) == 0) queue.AvailableIndex = (ushort)random.Next(1 << 16);
            queue.Kick();
            driver.Pump();
            queue.Kick();
            driver.Pump();

            if (driver.Problems.Count > 0)
            {
                broken++;
                Assert.Single(driver.Problems);
                Assert.Equal(0x4fu, driver.Status);
            }
            else
            {
                answered++;
                var held = kind == "balloon" && queue.Index == 2 ? 1 : 0; // statistics stay with the device
                Assert.Equal(queue.AvailableIndex - held, queue.UsedIndex);
            }

            // A reset makes it work again, however it ended.
            driver.SetUp(queueSize: 16);
            Assert.Equal(0x0fu, driver.Status);
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{Runs} rings on {kind}: {answered} answered, {broken} broken");
        Assert.True(broken > 100 && answered > 100, $"{answered}, {broken}");
    }

    [Theory]
    [InlineData("block")]
    [InlineData("entropy")]
    [InlineData("balloon")]
    public void Registers_and_configuration_space_take_any_access_in_any_order(string kind)
    {
        const int accesses = 200_000;
        using var memory = new GuestMemory([new(new(0), MappedRegion.Anonymous(1 << 18))]);
        using var driver = new VirtioDriver(Device(kind, memory), memory);
        var random = new Random(7);
        var running = 0;
        var queues = Enumerable.Range(0, driver.Transport.QueueEvents.Count).Select(index => new VirtqueueDriver(driver, index, 16)).ToArray();
        for (var i = 0; i < accesses; i++)
        {
            // By chance alone nothing would ever begin.
            if (random.Next(200) == 0 && driver.Negotiate())
                foreach (var queue in queues.Where(_ => random.Next(4) > 0)) queue.Announce();
            if (random.Next(200) == 0) queues[random.Next(queues.Length)].AvailableIndex = (ushort)random.Next(20);
            var length = 1 << random.Next(4);
            var offset = (ulong)(random.Next(random.Next(2) == 0 ? 0x100 : 0x1000) / length * length);
            if (random.Next(20) == 0) (offset, length) = (0x70, 4);
            if (random.Next(2) == 0)
            {
                driver.Transport.Read(offset, new byte[length]);
                continue;
            }

            ulong value = random.Next(5) switch { 0 => (ulong)random.NextInt64(), 1 => 0, 2 => 15, 3 => driver.Status | 4, _ => (ulong)random.Next(32) };
            if (offset == 0x20) value = random.Next(2) == 0 ? 1u : 0u;
            driver.Transport.Write(offset, BitConverter.GetBytes(value).AsSpan(0, length));
            if ((driver.Status & 0x0f) == 0x0f) running++;
            if (random.Next(50) == 0) driver.Pump();
        }

        driver.Pump();
        TestContext.Current.TestOutputHelper?.WriteLine($"{accesses} accesses on {kind}, running after {running} of them, {driver.Problems.Count} report");
        Assert.True(running > 0);
        Assert.True(driver.Problems.Count <= 1);
    }

    /// <summary>
    /// Each sector holds the header of the next request and a higher available index, and is read onto both: the ring is
    /// never empty though no processor of the guest runs.
    /// </summary>
    [Fact]
    public void A_ring_that_refills_itself_does_not_keep_the_loop_to_itself()
    {
        const int sectors = 400, size = 16;
        var content = new byte[sectors * 512];
        for (var sector = 0; sector < sectors; sector++)
        {
            BitConverter.TryWriteBytes(content.AsSpan((sector * 512) + 8), (ulong)(sector + 1));
            BitConverter.TryWriteBytes(content.AsSpan((sector * 512) + 18), (ushort)Math.Min(sector + 2, sectors));
        }

        File.WriteAllBytes(_disk, content);
        using var memory = new GuestMemory([new(new(0), MappedRegion.Anonymous(1 << 18))]);
        using var driver = new VirtioDriver(Device("block", memory), memory);
        driver.SetUp(queueSize: size);
        driver.Pump();
        var queue = driver.Queues[0];
        var header = queue.AvailableRing.Value - 16; // over the last descriptor, which nobody uses
        queue.WriteDescriptor(0, header, 16, flags: 1, next: 1);
        queue.WriteDescriptor(1, header, 512, flags: 3, next: 2);
        queue.WriteDescriptor(2, driver.Allocate(1).Value, 1, flags: 2, next: 0);
        memory.Write(new(header), new byte[16]);
        queue.MakeAvailable(0);
        queue.Kick();
        for (var turn = 1; turn <= sectors / size; turn++)
        {
            driver.Loop.RunOnce(0);
            Assert.Equal(turn * size, ((BlockDevice)driver.Transport.Device).Counters.Reads);
        }

        driver.Pump();
        Assert.Equal(sectors, ((BlockDevice)driver.Transport.Device).Counters.Reads);
        Assert.Empty(driver.Problems);
    }

    [Theory]
    [InlineData("block")]
    [InlineData("entropy")]
    [InlineData("balloon")]
    public void Resets_from_a_vCPU_while_the_loop_serves_leave_a_device_that_works(string kind)
    {
        const int resets = 2000;
        using var memory = new GuestMemory([new(new(0), MappedRegion.Anonymous(16 << 20))]);
        using var driver = new VirtioDriver(Device(kind, memory), memory);
        var buffer = driver.Reserve(64);
        var served = 0;
        Exception? problem = null;
        var vcpu = new Thread(() =>
        {
            try
            {
                for (var i = 0; i < resets; i++)
                {
                    driver.SetUp(queueSize: 16);
                    for (var request = 0; request < 16; request++) driver.Queues[0].Add(buffer);
                    driver.Queues[0].Kick();
                    for (var wait = i % 50 * 20; wait > 0 && driver.Queues[0].UsedIndex < 16; wait--) driver.ReadRegister(0x70);
                    served += driver.Queues[0].UsedIndex;
                }
            }
            catch (Exception e)
            {
                problem = e;
            }
        });
        vcpu.Start();
        while (!vcpu.Join(0)) driver.Loop.RunOnce(1);
        Assert.Null(problem);
        Assert.Empty(driver.Problems);
        driver.SetUp(queueSize: 16);
        driver.Queues[0].Request(buffer);
        TestContext.Current.TestOutputHelper?.WriteLine($"{resets} resets of {kind}, {served} requests served between them");
        Assert.True(served > 0);
    }

    private IVirtioDevice Device(string kind, GuestMemory memory) => kind switch
    {
        "block" => new BlockDevice(new() { DriveId = "d", IsRootDevice = false, PathOnHost = _disk }),
        "entropy" => new RngDevice(new()),
        _ => new BalloonDevice(
            new() { AmountMib = 0, DeflateOnOom = false, StatsPollingIntervalS = 3600, FreePageReporting = true }, memory),
    };

    /// <summary>Requests that are nearly right: a header, some data, a status; lists of pages; and noise.</summary>
    private static void Scribble(Random random, GuestMemory memory, VirtqueueDriver queue, ushort index)
    {
        var address = 0x20000 + (ulong)random.Next(0x1000);
        var length = random.Next(6) switch { 0 => 16u, 1 => 512u, 2 => 1u, 3 => 20u, 4 => 0u, _ => (uint)random.Next(70_000) };
        memory.Write(new(address), (uint)random.Next(15));
        memory.Write(new(address + 8), random.Next(8) == 0 ? (ulong)random.NextInt64() : (ulong)random.Next(70));
        if (random.Next(100) == 0) address = (ulong)random.NextInt64();
        if (random.Next(100) == 0) length = uint.MaxValue;
        var flags = random.Next(100) == 0 ? random.Next(1 << 16) : random.Next(3) switch { 0 => 0, 1 => 1, _ => 2 };
        var next = random.Next(50) == 0 ? random.Next(20) : Math.Min(index + 1, 15);
        queue.WriteDescriptor(index, address, length, (ushort)flags, (ushort)next);
    }
}

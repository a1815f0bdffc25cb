using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Devices.Virtio;
using RunnerVm.Vmm.Native.Handles;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices;

public sealed class MmioTransportTests : IDisposable
{
    private const ulong Version1 = 1ul << 32, EventIndex = 1ul << 29, Indirect = 1ul << 28;

    private readonly EchoDevice _device = new(8, 16);
    private readonly VirtioDriver _driver;

    public MmioTransportTests() => _driver = new VirtioDriver(_device);

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void A_driver_recognizes_the_device()
    {
        Assert.Equal(0x74726976u, _driver.ReadRegister(0x000));
        Assert.Equal(2u, _driver.ReadRegister(0x004));
        Assert.Equal(42u, _driver.ReadRegister(0x008));
        Assert.Equal(0b101 | Version1 | EventIndex | Indirect, _driver.OfferedFeatures);
        _driver.WriteRegister(0x14, 2);
        Assert.Equal(0u, _driver.ReadRegister(0x10));
        Assert.Equal(uint.MaxValue, _driver.ReadRegister(0xb0)); // no shared memory
    }

    [Fact]
    public void A_request_goes_there_and_back_with_an_interrupt()
    {
        _driver.SetUp();
        var answer = _driver.Reserve(8);
        Assert.Equal(5u, _driver.Queues[1].Request(_driver.Place(1, 2), _driver.Place(3, 4, 5), answer));
        Assert.Equal([1, 2, 3, 4, 5, 0, 0, 0], _driver.Bytes(answer));
        Assert.Equal(1u, _driver.TakeInterrupt());
        Assert.Equal(0u, _driver.ReadRegister(0x60));
    }

    [Fact]
    public void Each_queue_has_its_size_and_unknown_ones_have_none()
    {
        foreach (var (queue, size) in new[] { (0u, 8u), (1u, 16u), (2u, 0u), (uint.MaxValue, 0u) })
        {
            _driver.WriteRegister(0x30, queue);
            Assert.Equal(size, _driver.ReadRegister(0x34));
            Assert.Equal(0u, _driver.ReadRegister(0x44));
        }
    }

    [Theory]
    [InlineData(0ul)] // not version 1
    [InlineData(Version1 | 0b10)] // not offered
    [InlineData(Version1 | (1ul << 63))]
    public void Features_that_cannot_be_are_not_agreed_with(ulong features)
    {
        Assert.False(_driver.Negotiate(features));
        Assert.Equal(3u, _driver.Status);
        _driver.Status |= VirtioDriver.DriverOk;
        Assert.Equal(3u, _driver.Status);
        Assert.Null(_device.Activation);
    }

    [Fact]
    public void Accepted_features_reach_the_device_and_cannot_change_afterwards()
    {
        Assert.True(_driver.Negotiate(Version1 | 0b100));
        _driver.WriteRegister(0x24, 0);
        _driver.WriteRegister(0x20, 0b101);
        _driver.Status |= VirtioDriver.DriverOk;
        Assert.Equal(Version1 | 0b100, _device.Activation!.Features);
        Assert.True(_device.Activation.Has(2));
        Assert.False(_device.Activation.Has(0));
    }

    [Fact]
    public void Every_change_of_status_has_the_answer_of_the_specification()
    {
        var pairs = 0;
        for (var from = 0; from < 256; from++)
        {
            for (var written = 0; written < 256; written++)
            {
                foreach (var acceptable in new[] { true, false })
                {
                    pairs++;
                    var next = ((DeviceStatus)from).Next((DeviceStatus)written, acceptable);
                    if (written == 0)
                    {
                        Assert.Equal(DeviceStatus.Reset, next);
                        continue;
                    }

                    Assert.Equal((DeviceStatus)from, next & (DeviceStatus)from); // nothing is taken back
                    Assert.Equal(0, (int)next & ~(from | written)); // nothing is invented
                    Assert.Equal(from & 0x40, (int)next & 0x40); // NEEDS_RESET is the device's word
                    if (!acceptable && (from & 8) == 0) Assert.Equal(0, (int)next & 8);
                    if ((from & 0xc0) != 0) Assert.Equal(from & 0x0f, (int)next & 0x0f); // given up stays where it was
                    if (next.IsRunning() && !((DeviceStatus)from).IsRunning()) Assert.Equal(0x0f, written & 0x8f);
                }
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{pairs} transitions");
        Assert.Equal(131072, pairs);
    }

    [Theory]
    [InlineData(new byte[] { 1, 3, 11, 15 }, 15)]
    [InlineData(new byte[] { 3, 15 }, 15)] // several steps at once are the same steps
    [InlineData(new byte[] { 2 }, 0)] // DRIVER before ACKNOWLEDGE
    [InlineData(new byte[] { 1, 2 }, 1)] // a bit taken back
    [InlineData(new byte[] { 1, 3, 7 }, 3)] // DRIVER_OK before FEATURES_OK
    [InlineData(new byte[] { 1, 3, 11, 0x8b, 15 }, 0x8b)] // failed: nothing more but a reset
    [InlineData(new byte[] { 1, 3, 11, 0x8b, 0, 1 }, 1)]
    public void Status_goes_step_by_step(byte[] written, int status)
    {
        var now = written.Aggregate(DeviceStatus.Reset, static (now, next) => now.Next((DeviceStatus)next, featuresAcceptable: true));
        Assert.Equal(status, (int)now);
    }

    [Fact]
    public void A_queue_is_described_only_between_FEATURES_OK_and_ready()
    {
        _driver.WriteRegister(0x30, 0);
        _driver.WriteRegister(0x38, 4); // before FEATURES_OK
        _driver.WriteRegister(0x44, 1);
        Assert.Equal(0u, _driver.ReadRegister(0x44));

        _driver.SetUp();
        _driver.WriteRegister(0x30, 0);
        _driver.WriteRegister(0x38, 2); // while ready
        _driver.WriteRegister(0x80, 0xdead0000);
        Assert.Equal(8, _device.Activation!.Queues[0].Size);
        Assert.Equal(_driver.Queues[0].DescriptorTable, _device.Activation.Queues[0].DescriptorTable);
    }

    [Fact]
    public void A_queue_taken_away_while_running_is_empty_and_the_other_goes_on()
    {
        _driver.SetUp();
        _driver.WriteRegister(0x30, 0);
        _driver.WriteRegister(0x44, 0);
        Assert.Equal(0u, _driver.ReadRegister(0x44));
        _driver.Queues[0].Add(_driver.Place(1), _driver.Reserve(1));
        _driver.Queues[0].Kick();
        _driver.Pump();
        Assert.Equal(0, _driver.Queues[0].UsedIndex);
        Assert.Equal(1u, _driver.Queues[1].Request(_driver.Place(1), _driver.Reserve(1)));
        Assert.Empty(_driver.Problems);
    }

    [Fact]
    public void Requests_from_before_DRIVER_OK_are_served_after_it_and_not_before()
    {
        Assert.True(_driver.Negotiate());
        var queue = new VirtqueueDriver(_driver, 0);
        queue.Announce();
        queue.Add(_driver.Place(7), _driver.Reserve(1));
        queue.Kick();
        _driver.Pump();
        Assert.Equal(0, _device.Notifications);
        _driver.Status |= VirtioDriver.DriverOk;
        _driver.Pump();
        Assert.Equal(1, queue.UsedIndex);
    }

    [Fact]
    public void A_reset_while_running_forgets_everything_and_the_driver_may_begin_again()
    {
        _driver.SetUp();
        _driver.Queues[0].Add(_driver.Place(1), _driver.Reserve(1));
        _driver.Queues[0].Kick(); // on its way when the reset comes
        _driver.Status = 0;
        _driver.Pump();
        Assert.Equal(0, _device.Notifications);
        Assert.Equal(0u, _driver.Status);
        Assert.Equal(0u, _driver.ReadRegister(0x60));
        Assert.Null(_device.Activation);

        _driver.SetUp(queueSize: 4);
        Assert.Equal(1u, _driver.Queues[0].Request(_driver.Place(1), _driver.Reserve(1)));
        Assert.Equal(4, _device.Activation!.Queues[0].Size);
        Assert.Equal(0, _device.Activation.Queues[1].Index - 1);
    }

    [Theory]
    [InlineData(0x38u, 3u, "size")] // not a power of two
    [InlineData(0x38u, 0u, "size")]
    [InlineData(0x38u, 16u, "size")] // above the largest
    [InlineData(0x38u, 0x10008u, "size")] // 8, if one looks at 16 bits
    [InlineData(0x80u, 0x1008u, "desc")] // not aligned
    [InlineData(0x84u, 0x1u, "desc")] // outside
    [InlineData(0x90u, 0x1001u, "avail")]
    [InlineData(0x94u, 0xffffffffu, "avail")]
    [InlineData(0xa0u, 0x1002u, "used")]
    [InlineData(0xa0u, 0x3ffffcu, "used")] // begins inside, ends outside
    public void A_queue_that_cannot_be_breaks_the_device_when_it_starts(uint register, uint value, string field)
    {
        Assert.True(_driver.Negotiate());
        var queue = new VirtqueueDriver(_driver, 0);
        queue.Announce();
        _driver.WriteRegister(0x44, 0);
        _driver.WriteRegister(register, value);
        _driver.WriteRegister(0x44, 1);
        // As Announce does not choose the queue again, this is queue 0 still.
        _driver.Status |= VirtioDriver.DriverOk;
        var problem = Assert.Single(_driver.Problems);
        Assert.Equal(("echo", 0, field), (problem.Device, problem.Queue, problem.Where));
        Assert.Equal(0x4fu, _driver.Status);
        Assert.Equal(2u, _driver.TakeInterrupt());
    }

    [Fact]
    public void A_broken_ring_is_reported_once_and_the_device_is_not_asked_again()
    {
        _driver.SetUp();
        _driver.Queues[0].MakeAvailable(8);
        _driver.Queues[0].Kick();
        _driver.Pump();
        _driver.Queues[0].Kick();
        _driver.Queues[1].Kick();
        _driver.Pump();
        Assert.Equal("echo, queue 0, avail.ring: descriptor 8 in a table of 8.", Assert.Single(_driver.Problems).Message);
        Assert.Equal(0x4fu, _driver.Status);
        Assert.Equal(1, _device.Notifications);
        Assert.Equal(2u, _driver.TakeInterrupt());
    }

    [Fact]
    public void Configuration_space_is_read_in_any_width_and_written_once_a_driver_is_there()
    {
        Assert.Equal([1], _driver.ReadConfig(0, 1));
        Assert.Equal([2, 3], _driver.ReadConfig(1, 2));
        Assert.Equal([5, 6, 7, 8], _driver.ReadConfig(4, 4));
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8], _driver.ReadConfig(0, 8));
        Assert.Equal([7, 8, 0, 0], _driver.ReadConfig(6, 4));
        Assert.Equal(new byte[8], _driver.ReadConfig(0xef8, 8));
        _driver.WriteConfig(0, 9);
        Assert.Equal([1], _driver.ReadConfig(0, 1));
        _driver.SetUp();
        _driver.WriteConfig(6, 9, 9, 9, 9);
        Assert.Equal([9, 9], _driver.ReadConfig(6, 2));
    }

    [Fact]
    public void Registers_answer_aligned_words_only()
    {
        var two = new byte[2];
        _driver.Transport.Read(0, two);
        Assert.Equal([0, 0], two);
        var four = new byte[4];
        _driver.Transport.Read(2, four);
        Assert.Equal([0, 0, 0, 0], four);
        _driver.Transport.Write(0x70, [1]);
        _driver.Transport.Write(0x70, new byte[] { 1, 0, 0, 0, 0, 0, 0, 0 });
        Assert.Equal(0u, _driver.Status);
    }

    [Fact]
    public void A_change_of_configuration_is_told_with_a_new_generation()
    {
        _driver.SetUp();
        var generation = _driver.ReadRegister(0xfc);
        _driver.Transport.WithDevice(_device.Activation!.Host.ConfigurationChanged);
        Assert.Equal(2u, _driver.TakeInterrupt());
        Assert.NotEqual(generation, _driver.ReadRegister(0xfc));
    }

    [Fact]
    public void A_control_action_that_breaks_the_device_is_refused_and_reported()
    {
        _driver.SetUp();
        Assert.Equal(3, _driver.Transport.WithDevice(() => 3));
        Assert.Throws<VmmFaultException>(() => _driver.Transport.WithDevice<int>(
            () => throw new BrokenDeviceException("echo", 0, "avail.idx", "it ran away")));
        Assert.Single(_driver.Problems);
        Assert.Throws<VmmFaultException>(() => _driver.Transport.WithDevice<int>(() => throw new VmmFaultException("no")));
        Assert.Single(_driver.Problems);
    }

    [Fact]
    public void A_watch_disposed_by_another_thread_while_its_event_waits_is_not_called()
    {
        _driver.SetUp();
        using var first = new EventFd();
        using var second = new EventFd();
        var called = 0;
        Watch[] watches = new Watch[2];
        // Both are ready in one batch: whoever comes first disposes of the other.
        watches[0] = _device.Activation!.Host.Watch(first.Descriptor, EpollEvents.Readable, _ => Called(1));
        watches[1] = _device.Activation.Host.Watch(second.Descriptor, EpollEvents.Readable, _ => Called(0));
        first.Signal();
        second.Signal();
        _driver.Pump();
        Assert.Equal(1, called);

        void Called(int other)
        {
            called++;
            watches[other].Dispose();
            first.Drain();
            second.Drain();
        }
    }

    [Fact]
    public void An_interrupt_is_acknowledged_while_the_loop_holds_the_device()
    {
        _driver.SetUp();
        _driver.Queues[0].Request(_driver.Place(1), _driver.Reserve(1));
        _driver.Transport.WithDevice(() =>
        {
            // On another thread, as a vCPU would: with the lock taken it would wait for us, and we for it.
            var vcpu = new Thread(() =>
            {
                _driver.TakeInterrupt();
                _driver.Queues[0].Kick();
            });
            vcpu.Start();
            Assert.True(vcpu.Join(TimeSpan.FromSeconds(60)));
        });
        Assert.Equal(0u, _driver.ReadRegister(0x60));
    }

    [Fact]
    public void A_notification_and_its_interrupt_allocate_nothing_on_their_way()
    {
        _driver.SetUp();
        _driver.Pump();
        var buffer = _driver.Reserve(8);
        var four = new byte[4];
        for (var round = 0; round < 40; round++)
        {
            _driver.Queues[0].Add(buffer);
            var before = GC.GetAllocatedBytesForCurrentThread();
            _driver.Transport.Write(0x50, [0, 0, 0, 0]);
            _driver.Loop.RunOnce(0);
            _driver.Interrupt.Drain();
            _driver.Transport.Read(0x60, four);
            _driver.Transport.Write(0x64, four);
            if (round > 35) Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before); // compiled by then
            Assert.True(_driver.Queues[0].TryCollect(out _, out _));
        }
    }

    [Fact]
    public void A_device_goes_with_its_transport()
    {
        _driver.SetUp();
        _driver.Dispose();
        Assert.True(_device.Disposed);
        Assert.Null(_device.Activation);
    }
}

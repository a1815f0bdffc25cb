using RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Vsock;

/// <summary>Turns and room in the guest's queues.</summary>
public sealed class VsockQueueTests : IDisposable
{
    private readonly VsockGuest _guest = new();

    public void Dispose() => _guest.Dispose();

    [Fact]
    public void Bytes_take_turns_and_answers_go_first()
    {
        var first = _guest.OpenFromGuest(1, 52);
        var second = _guest.OpenFromGuest(2, 52);
        _guest.Write(first.Host, new byte[20_000]);
        _guest.Write(second.Host, new byte[20_000]);
        _guest.Send(VsockOperation.CreditRequest, second.Ports);
        _guest.Send(VsockOperation.CreditUpdate, new(9, 9));
        _guest.Post(6, 1044);
        Assert.Equal(VsockOperation.Reset, _guest.Receive().Operation);
        Assert.Equal(VsockOperation.CreditUpdate, _guest.Receive().Operation);
        Assert.Equal([1u, 2u, 1u, 2u], Enumerable.Range(0, 4).Select(_ => _guest.Receive(VsockOperation.ReadWrite).Ports.Guest));
        first.Host.Dispose();
        second.Host.Dispose();
    }

    [Fact]
    public void No_RST_is_lost_when_the_guest_makes_no_room_for_them()
    {
        var taken = 0;
        while (_guest.Send(VsockOperation.CreditUpdate, new(52, (uint)taken))) taken++;
        Assert.Equal(VsockMultiplexer.MostResets, taken);
        for (var i = 0; i <= taken; i++)
        {
            _guest.Post();
            Assert.Equal(new(52, (uint)i), _guest.Receive(VsockOperation.Reset).Ports);
        }

        _guest.AssertNothing();
        Assert.True(_guest.Send(VsockOperation.CreditUpdate, new(52, 1)));
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(43u)]
    public void A_buffer_too_small_for_a_packet_comes_back_empty(uint length)
    {
        _guest.Send(VsockOperation.CreditUpdate, new(52, 1));
        if (length > 0) _guest.Post(1, length);
        Assert.Equal(length > 0 ? 1 : 0, _guest.Device.Counters.Malformed);
        _guest.Post();
        _guest.Receive(VsockOperation.Reset);
    }

    [Fact]
    public void Bytes_do_not_go_into_a_buffer_that_holds_no_more_than_a_header()
    {
        var (_, host) = _guest.OpenFromGuest();
        using var _ = host;
        _guest.Write(host, "x"u8);
        _guest.Post(1, VsockHeader.Bytes);
        _guest.AssertNothing();
        _guest.Post();
        Assert.Equal("x"u8, _guest.Receive(VsockOperation.ReadWrite).Payload);
    }

    [Fact]
    public void Bytes_on_their_way_allocate_nothing()
    {
        var (ports, host) = _guest.OpenFromGuest();
        using var _ = host;
        var room = _guest.Driver.Reserve(4096);
        var bytes = new byte[VsockHeader.Bytes + 1000];
        VsockGuest.Header(VsockOperation.ReadWrite, ports, length: 1000).Write(bytes);
        var packet = _guest.Driver.Place(bytes);
        for (var round = 0; round < 50; round++)
        {
            _guest.Write(host, new byte[1000]); // Waits for room.
            _guest.Driver.Queues[0].Add(room);
            _guest.Driver.Queues[1].Add(packet);
            var before = GC.GetAllocatedBytesForCurrentThread();
            _guest.Device.OnQueueNotified(1);
            if (round > 35) Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before); // compiled by then
            Assert.True(_guest.Driver.Queues[0].TryCollect(out var head, out var written));
            Assert.Equal(VsockHeader.Bytes + 1000u, written);
            Assert.True(_guest.Driver.Queues[1].TryCollect(out head, out written));
            Assert.Equal(1000, _guest.Read(host)!.Length);
        }
    }
}

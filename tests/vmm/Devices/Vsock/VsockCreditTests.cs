using RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Vsock;

/// <summary>Who may send how much.</summary>
public sealed class VsockCreditTests : IDisposable
{
    private readonly VsockGuest _guest = new();

    public void Dispose() => _guest.Dispose();

    [Fact]
    public void A_host_that_does_not_read_costs_the_guest_its_credit_and_loses_nothing()
    {
        _guest.Post(8);
        var (ports, host) = _guest.OpenFromGuest();
        using var _ = host;
        var (sent, forwarded) = (0u, 0u);
        while (sent - forwarded < VsockConnection.Window)
        {
            var length = Math.Min(50_000, VsockConnection.Window - (sent - forwarded));
            Assert.True(_guest.SendBytes(ports, TestBytes.Of(sent, (int)length)));
            sent += length;
            while (_guest.TryReceive(out var packet))
            {
                forwarded = packet.Header.Forwarded;
                _guest.Post();
            }
        }

        Assert.True(forwarded < sent);
        var read = new List<byte>();
        while (read.Count < sent) read.AddRange(_guest.Read(host)!);
        Assert.Equal(TestBytes.Of(0, (int)sent), read);
        Assert.Equal(sent, _guest.Receive(VsockOperation.CreditUpdate).Header.Forwarded);
    }

    [Fact]
    public void A_guest_that_sends_more_than_its_credit_is_cut_off()
    {
        var (ports, host) = _guest.OpenFromGuest();
        using var _ = host;
        _guest.SendBytes(ports, new byte[VsockConnection.Window]);
        _guest.SendBytes(ports, 1);
        _guest.Post(2);
        _guest.Receive(VsockOperation.Reset);
        Assert.Equal(1, _guest.Device.Counters.Killed);
    }

    [Fact]
    public void A_guest_without_credit_is_asked_for_some_and_gets_no_byte_before()
    {
        _guest.Post(6);
        var (ports, host) = _guest.OpenFromGuest();
        using var _ = host;
        _guest.Send(VsockGuest.Header(VsockOperation.CreditUpdate, ports) with { BufferSize = 3 });
        _guest.Write(host, "12345"u8);
        Assert.Equal("123"u8, _guest.Receive(VsockOperation.ReadWrite).Payload);
        _guest.Receive(VsockOperation.CreditRequest);
        _guest.Send(VsockGuest.Header(VsockOperation.CreditUpdate, ports) with { BufferSize = 3 });
        _guest.AssertNothing();
        _guest.Send(VsockGuest.Header(VsockOperation.CreditUpdate, ports) with { BufferSize = 3, Forwarded = 2 });
        Assert.Equal("45"u8, _guest.Receive(VsockOperation.ReadWrite).Payload);
    }

    [Theory]
    [InlineData(65536u, 5u)] // has taken more than it was given
    [InlineData(0u, 0u)]
    public void Nonsense_in_the_guests_counters_is_no_credit(uint bufferSize, uint forwarded)
    {
        _guest.Post(4);
        var (ports, host) = _guest.OpenFromGuest();
        using var _ = host;
        _guest.Send(VsockGuest.Header(VsockOperation.CreditUpdate, ports) with { BufferSize = bufferSize, Forwarded = forwarded });
        _guest.Write(host, "12345"u8);
        _guest.Receive(VsockOperation.CreditRequest);
        _guest.AssertNothing();
    }

    [Fact]
    public void A_question_for_credit_is_answered()
    {
        var (ports, host) = _guest.OpenFromGuest();
        using var _ = host;
        _guest.Post();
        _guest.Send(VsockOperation.CreditRequest, ports);
        Assert.Equal(VsockConnection.Window, _guest.Receive(VsockOperation.CreditUpdate).Header.BufferSize);
    }
}

using RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;
using RunnerVm.Vmm.Native.Handles;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Vsock;

/// <summary>The ways in which a connection ends, by halves and all at once.</summary>
public sealed class VsockEndTests : IDisposable
{
    private readonly VsockGuest _guest = new();

    public void Dispose() => _guest.Dispose();

    [Fact]
    public void A_host_that_has_said_its_last_word_still_hears_the_guest()
    {
        _guest.Post(4);
        var (ports, host) = _guest.OpenFromHost();
        using var _ = host;
        _guest.Write(host, "question"u8);
        UnixSocket.FinishSending(host);
        Assert.Equal("question"u8, _guest.Receive(VsockOperation.ReadWrite).Payload);
        Assert.Equal(VsockShutdown.Send, _guest.Receive(VsockOperation.Shutdown).Header.Shutdown);
        _guest.SendBytes(ports, "answer"u8);
        Assert.Equal("answer", _guest.ReadText(host));
        _guest.Send(VsockOperation.Shutdown, ports, VsockShutdown.Both);
        _guest.Receive(VsockOperation.Reset);
        Assert.Null(_guest.Read(host));
        Assert.Equal(0, _guest.Device.Connections);
    }

    [Fact]
    public void A_guest_that_has_said_its_last_word_still_hears_the_host()
    {
        _guest.Post(4);
        var (ports, host) = _guest.OpenFromGuest();
        _guest.SendBytes(ports, "question"u8);
        _guest.Send(VsockOperation.Shutdown, ports, VsockShutdown.Send);
        Assert.Equal("question", _guest.ReadText(host));
        Assert.Null(_guest.Read(host));
        _guest.Write(host, "answer"u8);
        Assert.Equal("answer"u8, _guest.Receive(VsockOperation.ReadWrite).Payload);
        host.Dispose();
        Assert.Equal(VsockShutdown.Both, _guest.Receive(VsockOperation.Shutdown).Header.Shutdown);
        _guest.Send(VsockOperation.Reset, ports);
        _guest.Pump();
        Assert.Equal(0, _guest.Device.Connections);
    }

    [Fact]
    public void What_the_host_wrote_before_it_left_reaches_the_guest_however_late_it_makes_room()
    {
        var (ports, host) = _guest.OpenFromGuest();
        _guest.Write(host, TestBytes.Of(0, 10_000));
        host.Dispose();
        _guest.Pump();
        var received = new List<byte>();
        var said = VsockShutdown.None;
        while (said != VsockShutdown.Both)
        {
            _guest.Post(1, 1044);
            var packet = _guest.Receive();
            if (packet.Operation == VsockOperation.Shutdown) said = packet.Header.Shutdown;
            else received.AddRange(packet.Payload);
        }

        Assert.Equal(TestBytes.Of(0, 10_000), received);
        _guest.Send(VsockOperation.Reset, ports);
        Assert.Equal(0, _guest.Device.Connections);
    }

    [Fact]
    public void What_the_guest_sent_before_it_left_reaches_a_slow_host_and_the_ports_are_free_at_once()
    {
        _guest.Post(8);
        var (ports, host) = _guest.OpenFromGuest();
        using var _ = host;
        var (sent, forwarded) = (0u, 0u);
        while (sent - forwarded < VsockConnection.Window)
        {
            var length = Math.Min(65536, VsockConnection.Window - (sent - forwarded));
            _guest.SendBytes(ports, TestBytes.Of(sent, (int)length));
            sent += length;
            while (_guest.TryReceive(out var packet))
            {
                forwarded = packet.Header.Forwarded;
                _guest.Post();
            }
        }

        _guest.Send(VsockOperation.Shutdown, ports, VsockShutdown.Both);
        _guest.Receive(VsockOperation.Reset);
        Assert.Equal(1, _guest.Device.Connections);
        var (_, next) = _guest.OpenFromGuest(ports.Guest, ports.Host);
        using var __ = next;
        var read = new List<byte>();
        while (TestSockets.ReadOrEnd(_guest, host) is { } bytes) read.AddRange(bytes);
        Assert.Equal(TestBytes.Of(0, (int)sent), read);
        Assert.Equal(1, _guest.Device.Connections);
    }

    [Fact]
    public void A_guest_that_will_not_listen_fails_the_hosts_writes()
    {
        var (ports, host) = _guest.OpenFromGuest();
        using var _ = host;
        _guest.Send(VsockOperation.Shutdown, ports, VsockShutdown.Receive);
        Assert.Equal(-32, UnixSocket.Write(host, "x"u8)); // EPIPE
        _guest.SendBytes(ports, "still here"u8);
        Assert.Equal("still here", _guest.ReadText(host));
    }

    [Fact]
    public void A_guest_that_speaks_after_its_last_word_is_cut_off()
    {
        _guest.Post(2);
        var (ports, host) = _guest.OpenFromGuest();
        using var _ = host;
        _guest.Send(VsockOperation.Shutdown, ports, VsockShutdown.Send);
        _guest.SendBytes(ports, 1);
        _guest.Receive(VsockOperation.Reset);
        Assert.Equal(0, _guest.Device.Connections);
    }
}

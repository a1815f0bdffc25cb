using Microsoft.Extensions.Time.Testing;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Vsock;

/// <summary>The device behind its transport, real Unix sockets on the host's side: how a connection comes about.</summary>
public sealed class VsockDeviceTests : IDisposable
{
    private readonly VsockGuest _guest = new();

    public void Dispose() => _guest.Dispose();

    [Fact]
    public void The_guest_reads_its_identifier()
    {
        Assert.Equal(19u, _guest.Driver.ReadRegister(0x008));
        Assert.Equal((ulong)VsockGuest.Cid, _guest.Driver.ReadConfig64(0));
        Assert.Equal(0u, _guest.Driver.ReadConfig32(8));
    }

    [Fact]
    public void A_guest_connects_to_who_listens_beside_our_socket_and_bytes_go_both_ways()
    {
        _guest.Post(4);
        var (ports, host) = _guest.OpenFromGuest(hostPort: 52);
        using var _ = host;
        Assert.True(_guest.SendBytes(ports, "from the guest"u8));
        Assert.Equal("from the guest", _guest.ReadText(host));
        _guest.Write(host, "from the host"u8);
        var packet = _guest.Receive(VsockOperation.ReadWrite);
        Assert.Equal("from the host"u8, packet.Payload);
        Assert.Equal((VsockConnection.Window, 14u), (packet.Header.BufferSize, packet.Header.Forwarded));
    }

    [Fact]
    public void A_host_connects_to_a_port_of_the_guest_and_hears_which_port_it_has()
    {
        _guest.Post(4);
        using var host = _guest.Connect("CONNECT 22\nearly");
        var request = _guest.Receive(VsockOperation.Request);
        Assert.Equal(new(1u << 30, 22), request.Ports);
        Assert.Equal("", _guest.ReadText(host)); // Nobody has accepted yet.
        _guest.Send(VsockOperation.Response, request.Ports);
        Assert.Equal("OK 1073741824\n", _guest.ReadText(host));
        Assert.Equal("early"u8, _guest.Receive(VsockOperation.ReadWrite).Payload);
    }

    [Theory]
    [InlineData("connect 22\r\n")]
    [InlineData("CONNECT   22 \n")]
    [InlineData("CONNECT 4294967295\n")]
    public void A_line_may_be_written_in_other_ways(string line)
    {
        _guest.Post();
        using var host = _guest.Connect(line);
        _guest.Receive(VsockOperation.Request);
    }

    [Fact]
    public void A_line_may_come_byte_by_byte()
    {
        _guest.Post();
        using var host = _guest.Connect();
        foreach (var letter in "CONNECT 7\n"u8) _guest.Write(host, letter);
        Assert.Equal(7u, _guest.Receive(VsockOperation.Request).Ports.Guest);
    }

    [Theory]
    [InlineData("\n")]
    [InlineData("CONNECT\n")]
    [InlineData("CONNECT \n")]
    [InlineData("CONNECT 1 2\n")]
    [InlineData("CONNECT -1\n")]
    [InlineData("CONNECT 4294967296\n")]
    [InlineData("CONNECTED 22\n")]
    [InlineData("GET / HTTP/1.1\r\n")]
    [InlineData("CONNECT 00000000000000000000000000000000000022\n")]
    [InlineData("a line without an end that goes on and on")]
    public void Garbage_closes_the_hosts_connection(string line)
    {
        _guest.Post();
        using var host = _guest.Connect(line);
        Assert.Null(TestSockets.ReadOrEnd(_guest, host));
        _guest.AssertNothing();
        Assert.Equal(0, _guest.Device.Connections);
    }

    [Fact]
    public void Who_connects_before_the_driver_is_ready_waits_for_it()
    {
        using var guest = new VsockGuest(start: false);
        using var host = guest.Connect("CONNECT 22\n");
        guest.Pump();
        guest.Driver.SetUp();
        guest.Post();
        Assert.Equal(22u, guest.Receive(VsockOperation.Request).Ports.Guest);
    }

    [Fact]
    public void A_guest_that_refuses_lets_the_host_read_the_end()
    {
        _guest.Post();
        using var host = _guest.Connect("CONNECT 22\n");
        _guest.Send(VsockOperation.Reset, _guest.Receive(VsockOperation.Request).Ports);
        Assert.Null(_guest.Read(host));
        Assert.Equal(0, _guest.Device.Connections);
    }

    [Fact]
    public void Nobody_listening_on_the_host_is_an_RST()
    {
        _guest.Post();
        _guest.Send(VsockOperation.Request, new(53, 1024));
        Assert.Equal(new(53, 1024), _guest.Receive(VsockOperation.Reset).Ports);
    }

    [Fact]
    public void A_guest_that_never_answers_the_hosts_request_is_given_up_after_two_seconds()
    {
        var time = new FakeTimeProvider();
        using var guest = new VsockGuest(time);
        using var host = guest.Connect("CONNECT 22\n");
        guest.Pump();
        time.Advance(TimeSpan.FromSeconds(1.5));
        guest.Post(2);
        guest.Receive(VsockOperation.Request);
        time.Advance(TimeSpan.FromSeconds(1.5)); // From when the guest could know.
        Assert.Equal(1, guest.Device.Connections);
        time.Advance(TimeSpan.FromSeconds(0.6));
        guest.Driver.PumpUntil(() => guest.Device.Counters.Killed == 1, "the timeout");
        guest.Receive(VsockOperation.Reset);
        Assert.Null(guest.Read(host));
        Assert.Equal(0, guest.Device.Connections);
    }
}

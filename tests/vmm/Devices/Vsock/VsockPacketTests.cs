using RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;
using RunnerVm.Vmm.Native.Handles;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Vsock;

/// <summary>Packets that are nobody's, or not what they say.</summary>
public sealed class VsockPacketTests : IDisposable
{
    private readonly VsockGuest _guest = new();

    public void Dispose() => _guest.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(99)]
    public void A_packet_that_belongs_to_no_connection_is_answered_with_an_RST(ushort operation)
    {
        _guest.Post();
        _guest.Send((VsockOperation)operation, new(52, 1024));
        Assert.Equal(new(52, 1024), _guest.Receive(VsockOperation.Reset).Ports);
    }

    [Fact]
    public void An_RST_is_never_answered()
    {
        _guest.Post();
        _guest.Send(VsockOperation.Reset, new(52, 1024));
        _guest.AssertNothing();
    }

    [Fact]
    public void Another_type_than_stream_is_reset_in_that_type()
    {
        _guest.Post(2);
        var (ports, host) = _guest.OpenFromGuest();
        using var _ = host;
        _guest.Send(VsockGuest.Header(VsockOperation.ReadWrite, ports) with { Type = 2 });
        Assert.Equal(2, _guest.Receive(VsockOperation.Reset).Header.Type);
        Assert.Equal(1, _guest.Device.Connections); // The stream on the same ports is another connection.
    }

    [Fact]
    public void Packets_from_or_to_somebody_else_are_dropped()
    {
        _guest.Post();
        var header = VsockGuest.Header(VsockOperation.Request, new(52, 1024));
        Assert.True(_guest.Send(header with { SourceCid = 4 }));
        Assert.True(_guest.Send(header with { SourceCid = VsockGuest.Cid | (1ul << 32) }));
        Assert.True(_guest.Send(header with { DestinationCid = 5 }));
        Assert.True(_guest.Send(header with { DestinationCid = 2 | (1ul << 32) }));
        Assert.True(_guest.SendRaw(new byte[43]));
        _guest.AssertNothing();
        Assert.Equal(5, _guest.Device.Counters.Malformed);
    }

    [Theory]
    [InlineData(100u)] // more than the packet has
    [InlineData(uint.MaxValue)]
    public void A_length_that_is_not_there_resets_the_connection(uint length)
    {
        _guest.Post(2);
        var (ports, host) = _guest.OpenFromGuest();
        using var _ = host;
        _guest.Send(VsockGuest.Header(VsockOperation.ReadWrite, ports, length: length), new byte[99]);
        _guest.Receive(VsockOperation.Reset);
        Assert.Null(TestSockets.ReadOrEnd(_guest, host));
        Assert.Equal(0, _guest.Device.Connections);
    }

    [Fact]
    public void Bytes_after_the_length_are_not_the_hosts()
    {
        var (ports, host) = _guest.OpenFromGuest();
        using var _ = host;
        _guest.Send(VsockGuest.Header(VsockOperation.ReadWrite, ports, length: 2), "yes, no"u8);
        Assert.Equal("ye", _guest.ReadText(host));
    }

    [Fact]
    public void A_second_request_on_the_same_ports_ends_the_connection()
    {
        _guest.Post(2);
        var (ports, host) = _guest.OpenFromGuest();
        using var _ = host;
        _guest.Send(VsockOperation.Request, ports);
        _guest.Receive(VsockOperation.Reset);
        Assert.Equal(0, _guest.Device.Connections);
    }

    [Fact]
    public void The_1024th_connection_is_refused_to_guest_and_host()
    {
        using var listener = _guest.Listen(52);
        var hosts = new List<FileDescriptor>();
        _guest.Post(16);
        for (var i = 0u; i < VsockMultiplexer.MostConnections; i++)
        {
            _guest.Send(VsockOperation.Request, new(52, i));
            hosts.Add(UnixSocket.TryAccept(listener)!);
            _guest.Receive(VsockOperation.Response);
            _guest.Post();
        }

        _guest.Send(VsockOperation.Request, new(52, 5000));
        _guest.Receive(VsockOperation.Reset);
        using (var host = _guest.Connect("CONNECT 1\n")) Assert.Null(TestSockets.ReadOrEnd(_guest, host));
        _guest.Send(VsockOperation.Reset, new(52, 7));
        _guest.Send(VsockOperation.Request, new(52, 5000));
        _guest.Receive(VsockOperation.Response);
        hosts.ForEach(host => host.Dispose());
    }

    [Fact]
    public void A_guest_that_opens_and_resets_without_end_makes_nothing_grow()
    {
        using var listener = _guest.Listen(52);
        for (var i = 0u; i < 3000; i++)
        {
            _guest.Send(VsockOperation.Request, new(52, i));
            _guest.Send(VsockOperation.Reset, new(52, i));
            UnixSocket.TryAccept(listener)!.Dispose();
        }

        Assert.Equal(0, _guest.Device.Connections);
        _guest.Post();
        _guest.AssertNothing();
    }
}

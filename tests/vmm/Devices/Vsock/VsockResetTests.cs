using RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Vsock;

/// <summary>A device that is reset, and a guest that wakes up in another place.</summary>
public sealed class VsockResetTests : IDisposable
{
    private readonly VsockGuest _guest = new();

    public void Dispose() => _guest.Dispose();

    [Fact]
    public void A_reset_of_the_device_ends_all_connections_and_a_new_driver_begins_again()
    {
        var (_, host) = _guest.OpenFromGuest();
        using var _ = host;
        using var waiting = _guest.Connect("CONN");
        _guest.Driver.Status = 0;
        Assert.Equal(0, _guest.Device.Connections);
        Assert.Null(_guest.Read(host));
        Assert.Null(TestSockets.ReadOrEnd(_guest, waiting));
    }

    [Fact]
    public void After_a_move_the_guest_is_told_that_its_connections_are_gone()
    {
        var (ports, host) = _guest.OpenFromGuest();
        using var _ = host;
        _guest.Driver.Transport.WithDevice(_guest.Device.ResetTransport);
        Assert.Null(_guest.Read(host));
        var room = _guest.Driver.Reserve(8);
        Assert.Equal(4u, _guest.Driver.Queues[2].Request(room)); // The event waits for a buffer.
        Assert.Equal(new byte[8], _guest.Driver.Bytes(room)); // VIRTIO_VSOCK_EVENT_TRANSPORT_RESET is zero
        _guest.Post();
        _guest.SendBytes(ports, 1);
        _guest.AssertNothing(); // Until it says that it has understood, by giving the event's buffer back.
        _guest.Driver.Queues[2].Add(room);
        _guest.Driver.Queues[2].Kick();
        _guest.Receive(VsockOperation.Reset);
    }

    [Fact]
    public void What_the_guest_still_says_on_a_connection_of_the_old_place_ends_none_of_the_new_one()
    {
        var (old, gone) = _guest.OpenFromHost();
        using var _ = gone;
        _guest.Driver.Transport.WithDevice(_guest.Device.ResetTransport);
        using var host = _guest.Connect("CONNECT 22\n"); // It waits in the backlog.
        _guest.SendBytes(old, 1);
        var room = _guest.Driver.Reserve(8);
        _guest.Driver.Queues[2].Request(room);
        _guest.SendBytes(old, 2);
        Assert.Equal(0, _guest.Device.Connections);
        _guest.Driver.Queues[2].Add(room);
        _guest.Driver.Queues[2].Kick();
        _guest.Post(4);
        Assert.Equal(old, _guest.Receive(VsockOperation.Reset).Ports);
        Assert.Equal(old, _guest.Receive(VsockOperation.Reset).Ports);
        var request = _guest.Receive(VsockOperation.Request);
        Assert.NotEqual(old, request.Ports);
        _guest.SendBytes(old, 3); // It may have lain in a queue of the guest's own.
        _guest.Send(VsockOperation.Response, request.Ports);
        Assert.Equal($"OK {request.Ports.Host}\n", _guest.ReadText(host));
    }
}

using System.Net;
using System.Net.Sockets;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Net;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Net;

/// <summary>The device on a real TAP device, a program with a socket on the host's side.</summary>
public sealed class NetDeviceTests
{
    private const ulong Version1 = 1ul << 32;

    [Fact]
    public void Datagrams_go_both_ways() => NetworkNamespace.WithTap(() =>
    {
        using var guest = new NetGuest();
        using var host = Host(out var port);
        guest.Post(4);
        guest.Send(NetGuest.Udp(port, "from the guest"u8));
        Assert.Equal("from the guest"u8, HostReceives(host));
        HostSends(host, "from the host"u8);
        var (frame, buffers) = guest.Receive();
        Assert.Equal(NetGuest.GuestMac, frame[..6]);
        Assert.Equal("from the host"u8, frame[42..]);
        Assert.Equal(1, buffers);
        Assert.Equal((1, 1), (guest.Device.Counters.TransmittedFrames, guest.Device.Counters.ReceivedFrames));
    });

    [Fact]
    public void A_long_frame_goes_over_as_many_buffers_as_it_needs_and_no_more() => NetworkNamespace.WithTap(
        () =>
        {
            using var guest = new NetGuest();
            using var host = Host(out _);
            guest.Post(60, 1500);
            var sent = Enumerable.Range(0, 8000).Select(i => (byte)(i * 7)).ToArray();
            HostSends(host, sent);
            HostSends(host, "and a short one"u8);
            var (frame, buffers) = guest.Receive();
            Assert.Equal(sent, frame[42..]);
            Assert.Equal(6, buffers);
            (frame, buffers) = guest.Receive();
            Assert.Equal(("and a short one", 1), (System.Text.Encoding.ASCII.GetString(frame[42..]), buffers));
        },
        mtu: 9000);

    [Fact]
    public void Without_mergeable_buffers_a_frame_takes_one() => NetworkNamespace.WithTap(() =>
    {
        using var guest = new NetGuest(features: Version1);
        using var host = Host(out _);
        guest.Post(1, 1000); // Too small for what may come (5.1.6.3.1).
        guest.Post(2, 1526);
        HostSends(host, new byte[1400]);
        Assert.Equal((0, 1), (guest.Receive().Frame.Length, 1));
        Assert.Equal((1442, 1), (guest.Receive().Frame.Length, 1));
        Assert.Equal(1, guest.Device.Counters.ReceiveFailures);
    });

    [Fact]
    public void Frames_wait_for_a_guest_that_has_no_buffers_and_come_when_it_has() => NetworkNamespace.WithTap(() =>
    {
        using var guest = new NetGuest(features: Version1 | (1ul << NetFeature.MergeableBuffers));
        using var host = Host(out _);
        for (byte i = 0; i < 3; i++) HostSends(host, i);
        Assert.Null(guest.TryReceive());
        Assert.True(guest.Device.Counters.NoBuffers > 0);
        for (byte i = 0; i < 3; i++)
        {
            guest.Post();
            Assert.Equal(i, guest.Receive().Frame[42]);
            Assert.Null(guest.TryReceive());
        }
    });

    [Fact]
    public void A_frame_that_needs_more_buffers_than_there_are_waits_for_the_rest() => NetworkNamespace.WithTap(() =>
    {
        using var guest = new NetGuest();
        using var host = Host(out _);
        HostSends(host, new byte[1400]);
        guest.Post(2, 512);
        Assert.Null(guest.TryReceive());
        guest.Post(2, 512);
        Assert.Equal((1442, 3), (guest.TryReceive()!.Value.Frame.Length, 3));
    });

    [Fact]
    public void A_frame_above_the_limit_waits_for_its_tokens() => NetworkNamespace.WithTap(() =>
    {
        var limits = new RateLimiterConfiguration { Ops = new() { Size = 1, RefillTime = 60_000 } };
        using var guest = new NetGuest(NetGuest.Configuration with { RxRateLimiter = limits, TxRateLimiter = limits });
        using var host = Host(out var port);
        guest.Post(60);
        HostSends(host, 1);
        HostSends(host, 2);
        Assert.Equal(1, guest.Receive().Frame[42]);
        Assert.Null(guest.TryReceive());
        guest.Send(NetGuest.Udp(port, 1));
        guest.Driver.Queues[1].Add(guest.Driver.Place(new byte[12]), guest.Driver.Place(NetGuest.Udp(port, 2)));
        guest.Driver.Queues[1].Kick();
        guest.Driver.Pump();
        Assert.Equal([1], HostReceives(host));
        Assert.Equal(0, host.Available);
        Assert.Equal((1, 1), (guest.Device.Counters.ReceiveThrottled, guest.Device.Counters.TransmitThrottled));

        var none = new RateLimiterConfiguration { Ops = new() { Size = 0, RefillTime = 0 } };
        guest.Driver.Transport.WithDevice(() => guest.Device.UpdateLimits(none, none));
        Assert.Equal(2, guest.Receive().Frame[42]);
        guest.Driver.PumpUntil(() => host.Available > 0, "the frame that had to wait");
        Assert.Equal([2], HostReceives(host));
    });

    [Fact]
    public void Another_senders_address_is_counted_and_sent_as_by_Firecracker() => NetworkNamespace.WithTap(() =>
    {
        using var guest = new NetGuest();
        using var host = Host(out var port);
        var frame = NetGuest.Udp(port, 1);
        frame[11] = 99;
        guest.Send(frame);
        Assert.Equal([1], HostReceives(host));
        Assert.Equal(1, guest.Device.Counters.SpoofedMac);
    });

    [Fact]
    public void What_is_no_frame_is_dropped() => NetworkNamespace.WithTap(() =>
    {
        using var guest = new NetGuest();
        var queue = guest.Driver.Queues[1];
        queue.Request(guest.Driver.Place(new byte[12]));
        queue.Request(guest.Driver.Place(1));
        queue.Request(guest.Driver.Place(new byte[65563]));
        queue.Request(guest.Driver.Reserve(2000)); // Nothing to read in it.
        Assert.Equal(4, guest.Device.Counters.Malformed);
        guest.Send(1, 2, 3); // No Ethernet frame; the kernel says so.
        var wrong = new byte[12 + 60];
        (wrong[0], wrong[6]) = (1, 255); // A checksum to be made up outside the frame.
        (wrong[8], wrong[9]) = (255, 255);
        queue.Request(guest.Driver.Place(wrong));
        Assert.Equal(2, guest.Device.Counters.WriteFailures);
        Assert.Empty(guest.Driver.Problems);
    });

    [Fact]
    public void An_interface_that_is_down_loses_frames_and_nothing_else() => NetworkNamespace.WithTap(() =>
    {
        using var guest = new NetGuest();
        NetworkNamespace.Shell("ip link set tap0 down");
        guest.Send(NetGuest.Udp(1, 1));
        Assert.Equal(1, guest.Device.Counters.WriteFailures);
        NetworkNamespace.Shell("ip link set tap0 up");
        using var host = Host(out var port);
        guest.Send(NetGuest.Udp(port, 1));
        Assert.Equal([1], HostReceives(host));
    });

    [Fact]
    public void The_guest_reads_its_address_and_MTU() => NetworkNamespace.WithTap(() =>
    {
        using var guest = new NetGuest(NetGuest.Configuration with { Mtu = 1400 });
        Assert.Equal(1u, guest.Driver.ReadRegister(0x008));
        Assert.Equal(NetGuest.GuestMac, guest.Driver.ReadConfig(0, 8)[..6]);
        Assert.Equal(1400, BitConverter.ToUInt16(guest.Driver.ReadConfig(10, 2)));
        Assert.NotEqual(0ul, guest.Driver.Features & (1ul << NetFeature.Mac) & (guest.Driver.Features << 2));
    });

    [Fact]
    public void Without_an_address_the_choice_is_the_guests() => NetworkNamespace.WithTap(() =>
    {
        using var guest = new NetGuest(NetGuest.Configuration with { GuestMac = null });
        Assert.Equal(0ul, guest.Driver.Features & ((1ul << NetFeature.Mac) | (1ul << NetFeature.Mtu)));
    });

    [Fact]
    public void Frames_on_their_way_allocate_nothing() => NetworkNamespace.WithTap(() =>
    {
        using var guest = new NetGuest();
        using var host = Host(out var port);
        var room = Enumerable.Range(0, 40).Select(_ => guest.Driver.Reserve(2048)).ToArray();
        var frame = guest.Driver.Place([.. new byte[12], .. NetGuest.Udp(port, new byte[500])]);
        foreach (var buffer in room) guest.Driver.Queues[0].Add(buffer);
        for (var round = 0; round < 50; round++)
        {
            HostSends(host, new byte[500]);
            guest.Driver.Queues[1].Add(frame);
            var before = GC.GetAllocatedBytesForCurrentThread();
            guest.Device.OnQueueNotified(1);
            guest.Driver.Loop.RunOnce(1000); // The TAP device is readable.
            if (round > 35) Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before); // compiled by then
            Assert.True(guest.Driver.Queues[0].TryCollect(out var head, out var written));
            Assert.Equal(12u + 42 + 500, written);
            guest.Driver.Queues[0].Add(room[round % room.Length]);
            Assert.True(guest.Driver.Queues[1].TryCollect(out head, out written));
        }
    });

    [Fact]
    public void A_driver_may_begin_again() => NetworkNamespace.WithTap(() =>
    {
        using var guest = new NetGuest();
        using var host = Host(out var port);
        guest.Post(60);
        guest.Driver.Status = 0;
        HostSends(host, "lost or not"u8);
        guest.Driver.SetUp();
        guest.Send(NetGuest.Udp(port, 3));
        Assert.Equal([3], HostReceives(host));
    });

    [Fact]
    public void A_TAP_device_that_is_in_use_is_refused() => NetworkNamespace.WithTap(() =>
    {
        using var first = new NetGuest();
        AssertRefused(NetGuest.Configuration, "(EBUSY)", "Somebody else has it open");
    });

    [Fact]
    public void An_interface_that_is_no_TAP_device_is_refused() => NetworkNamespace.WithTap(() =>
        AssertRefused(NetGuest.Configuration with { HostDevName = "lo" }, "(EINVAL)", "no TAP device"));

    [Theory]
    [InlineData("")]
    [InlineData("a-name-with-16-b")]
    public void A_name_that_no_interface_has_is_refused(string name) =>
        AssertRefused(NetGuest.Configuration with { HostDevName = name }, "host_dev_name", "1 to 15 bytes");

    [Theory]
    [InlineData("06:00:0a:00:00")]
    [InlineData("06:00:0a:00:00:0g")]
    [InlineData("6:0:a:0:0:2:")]
    [InlineData("06-00-0a-00-00-02")]
    [InlineData("")]
    public void An_address_that_is_none_is_refused(string mac) =>
        AssertRefused(NetGuest.Configuration with { GuestMac = mac }, "guest_mac", "six hexadecimal bytes");

    [Theory]
    [InlineData(67)]
    [InlineData(65536)]
    [InlineData(-1)]
    public void An_MTU_that_cannot_be_is_refused(int mtu) => AssertRefused(NetGuest.Configuration with { Mtu = mtu }, "mtu", "68 to 65535");

    private static void AssertRefused(NetworkInterface configuration, params string[] words)
    {
        var problem = Assert.Throws<VmmFaultException>(() => new NetDevice(configuration));
        foreach (var word in words) Assert.Contains(word, problem.Message, StringComparison.Ordinal);
    }

    /// <summary>A program on the host, in this thread's namespace.</summary>
    private static Socket Host(out int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 60_000 };
        socket.Bind(new IPEndPoint(IPAddress.Parse("10.0.0.1"), 0));
        port = ((IPEndPoint)socket.LocalEndPoint!).Port;
        return socket;
    }

    private static void HostSends(Socket host, params ReadOnlySpan<byte> bytes) => host.SendTo(bytes, new IPEndPoint(IPAddress.Parse("10.0.0.2"), 2000));

    private static byte[] HostReceives(Socket host)
    {
        var bytes = new byte[2000];
        return bytes[..host.Receive(bytes)];
    }
}

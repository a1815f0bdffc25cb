using Microsoft.Extensions.Time.Testing;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;
using RunnerVm.Vmm.Native.Handles;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Vsock;

/// <summary>The device behind its transport, real Unix sockets on the host's side.</summary>
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

    [Theory]
    [InlineData(0u)]
    [InlineData(2u)]
    [InlineData(uint.MaxValue)]
    public void A_reserved_identifier_is_refused(uint cid)
    {
        var problem = Assert.Throws<VmmFaultException>(() => new VsockDevice(new() { GuestCid = cid, UdsPath = _guest.Path + "2" }));
        Assert.Contains("guest_cid", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_socket_that_is_there_already_is_refused_and_stays()
    {
        var problem = Assert.Throws<VmmFaultException>(() => new VsockDevice(new() { GuestCid = 3, UdsPath = _guest.Path }));
        Assert.Contains("(EADDRINUSE). Remove", problem.Message, StringComparison.Ordinal);
        Assert.True(File.Exists(_guest.Path));
    }

    [Theory]
    [InlineData("/nonexistent/v.sock", "Create its folder")]
    [InlineData("", "it is empty")]
    public void A_path_that_cannot_be_is_refused_with_a_reason(string path, string reason)
    {
        var problem = Assert.Throws<VmmFaultException>(() => new VsockDevice(new() { GuestCid = 3, UdsPath = path }));
        Assert.Contains("uds_path", problem.Message, StringComparison.Ordinal);
        Assert.Contains(reason, problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_path_may_have_107_bytes_and_not_108()
    {
        var folder = Directory.CreateTempSubdirectory();
        var longest = Path.Combine(folder.FullName, new string('v', 107 - folder.FullName.Length - 1));
        using (new VsockDevice(new() { GuestCid = 3, UdsPath = longest })) Assert.True(File.Exists(longest));
        Assert.False(File.Exists(longest));
        Assert.Throws<VmmFaultException>(() => new VsockDevice(new() { GuestCid = 3, UdsPath = longest + "v" }));
        folder.Delete();
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

/// <summary>Bytes that tell where they belong.</summary>
internal static class TestBytes
{
    public static byte[] Of(uint from, int count)
    {
        var bytes = new byte[count];
        for (var i = 0; i < count; i++)
        {
            var at = (uint)i + from;
            bytes[i] = (byte)((at * 2654435761u) >> 24);
        }

        return bytes;
    }
}

internal static class TestSockets
{
    /// <summary>As <see cref="VsockGuest.Read"/>; a connection reset is an end too.</summary>
    public static byte[]? ReadOrEnd(VsockGuest guest, FileDescriptor socket)
    {
        guest.Pump();
        var bytes = new byte[1 << 20];
        var count = UnixSocket.Read(socket, bytes);
        return count is 0 or -104 ? null : bytes[..(int)Math.Max(0, count)];
    }
}

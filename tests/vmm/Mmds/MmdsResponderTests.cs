using System.Net;
using System.Net.Sockets;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Time.Testing;
using RunnerVm.Tests.Vmm.Devices.Net;
using RunnerVm.Vmm.Monitor.Json;
using RunnerVm.Vmm.Monitor.Mmds;
using Xunit;

namespace RunnerVm.Tests.Vmm.Mmds;

/// <summary>The metadata service against the kernel's own TCP, and against frames that are none.</summary>
public sealed class MmdsResponderTests
{
    private static readonly byte[] Service = [169, 254, 169, 254];

    [Fact]
    public void A_guest_reads_metadata_as_lines_or_as_JSON_on_one_connection() => MmdsNetwork.Run(Store(), _ =>
    {
        using var socket = MmdsNetwork.Connect();
        var (head, body) = MmdsNetwork.Ask(socket, "GET /latest/meta-data HTTP/1.1\r\nHost: x\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 200 OK\r\n", head, StringComparison.Ordinal);
        Assert.Contains("Content-Type: text/plain", head, StringComparison.Ordinal);
        Assert.Equal("ami-id\ncount", body);
        (head, body) = MmdsNetwork.Ask(socket, "GET /latest/meta-data HTTP/1.1\r\naccept: application/json\r\n\r\n");
        Assert.Contains("Content-Type: application/json", head, StringComparison.Ordinal);
        Assert.Equal("""{"ami-id":"ami-1","count":3}""", body);
    });

    [Theory]
    [InlineData("GET /nowhere HTTP/1.1\r\n\r\n", "404 ")]
    [InlineData("GET /latest/meta-data/count HTTP/1.1\r\n\r\n", "501 ")]
    [InlineData("DELETE /latest HTTP/1.1\r\n\r\n", "405 ")]
    [InlineData("POST /latest HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody", "405 ")]
    [InlineData("PUT /latest HTTP/1.1\r\nX-metadata-token-ttl-seconds: 5\r\n\r\n", "404 ")]
    [InlineData("PUT /latest/api/token HTTP/1.1\r\n\r\n", "400 ")]
    [InlineData("PUT /latest/api/token HTTP/1.1\r\nX-metadata-token-ttl-seconds: 0\r\n\r\n", "400 ")]
    [InlineData("PUT /latest/api/token HTTP/1.1\r\nX-metadata-token-ttl-seconds: 21601\r\n\r\n", "400 ")]
    [InlineData("PUT /latest/api/token HTTP/1.1\r\nX-metadata-token-ttl-seconds: 9x\r\n\r\n", "400 ")]
    [InlineData("PUT /latest/api/token HTTP/1.1\r\nX-Forwarded-For: me\r\nX-metadata-token-ttl-seconds: 9\r\n\r\n", "400 ")]
    [InlineData("no request at all\r\n\r\n", "400 ")]
    [InlineData("GET / HTTP/3.0\r\n\r\n", "400 ")]
    [InlineData("GET latest HTTP/1.1\r\n\r\n", "400 ")]
    [InlineData("GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400 ")]
    [InlineData("GET / HTTP/1.1\r\nContent-Length: 4294967295\r\n\r\n", "400 ")]
    [InlineData("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "400 ")]
    public void What_cannot_be_answered_is_told_why(string request, string status)
    {
        Assert.True(new MmdsHttp(Store(), new()).TryAnswer(Encoding.ASCII.GetBytes(request), out var reply));
        var text = Encoding.ASCII.GetString(reply.Bytes);
        Assert.StartsWith("HTTP/1.1 " + status, text, StringComparison.Ordinal);
        Assert.DoesNotContain("Content-Length: 0", text, StringComparison.Ordinal);
        Assert.Equal(request.Length, reply.Consumed);
    }

    [Fact]
    public void Version_2_wants_a_token_and_gives_one()
    {
        var store = Store();
        store.Version = MmdsVersion.V2;
        MmdsNetwork.Run(store, network =>
        {
            Assert.StartsWith("HTTP/1.1 401", MmdsNetwork.Ask("GET /latest HTTP/1.1\r\n\r\n").Head, StringComparison.Ordinal);
            Assert.StartsWith("HTTP/1.1 401", MmdsNetwork.Ask("GET /latest HTTP/1.1\r\nX-metadata-token: AAAA\r\n\r\n").Head, StringComparison.Ordinal);
            var (head, token) = MmdsNetwork.Ask("PUT /latest//api/token HTTP/1.1\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n");
            Assert.Contains("X-aws-ec2-metadata-token-ttl-seconds: 60", head, StringComparison.Ordinal);
            var (_, body) = MmdsNetwork.Ask($"GET /latest HTTP/1.1\r\nX-METADATA-TOKEN: {token}\r\n\r\n");
            Assert.Equal("meta-data/", body);
            Assert.Equal((1, 1), (network.Service.Counters.MissingTokens, network.Service.Counters.InvalidTokens));
        });
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    public void A_large_answer_arrives_whole_even_when_each_fourth_frame_is_lost(int oneOf)
    {
        var store = Store();
        var large = string.Concat(Enumerable.Range(0, 8000).Select(i => $"{i:d5}"));
        store.Put(JsonBody.Parse(Encoding.UTF8.GetBytes($$"""{"large":"{{large}}"}"""), "a test"));
        var random = new Random(7);
        MmdsNetwork.Run(
            store,
            network =>
            {
                for (var i = 0; i < 3; i++) Assert.Equal(large, MmdsNetwork.Ask("GET /large HTTP/1.1\r\n\r\n").Body);
                if (oneOf > 0) Assert.True(network.Lost > 5);
            },
            () => oneOf > 0 && random.Next(oneOf) == 0);
    }

    [Fact]
    public void A_client_that_reads_late_or_half_closes_gets_its_answer() => MmdsNetwork.Run(Store(), _ =>
    {
        using var socket = MmdsNetwork.Connect();
        socket.Send("GET /latest/meta-data/ami-id HTTP/1.1\r\n\r\n"u8);
        socket.Shutdown(SocketShutdown.Send);
        Assert.Equal("ami-1", MmdsNetwork.Read(socket).Body);
        Assert.Equal(0, socket.Receive(new byte[1]));
    });

    [Fact]
    public void Requests_that_come_at_once_are_answered_one_after_the_other() => MmdsNetwork.Run(Store(), _ =>
    {
        using var socket = MmdsNetwork.Connect();
        using var stream = new NetworkStream(socket);
        var one = "GET /latest/meta-data/ami-id HTTP/1.1\r\n\r\n"u8.ToArray();
        for (var i = 0; i < 300; i++) socket.Send(one);
        socket.Shutdown(SocketShutdown.Send);
        using var reader = new StreamReader(stream);
        Assert.Equal(300, reader.ReadToEnd().Split("HTTP/1.1 200 OK").Length - 1);
    });

    [Fact]
    public void The_last_answer_ends_the_connection() => MmdsNetwork.Run(Store(), network =>
    {
        using (var socket = MmdsNetwork.Connect())
        {
            MmdsNetwork.Ask(socket, "GET /latest HTTP/1.1\r\nConnection: close\r\n\r\n");
            Assert.Equal(0, socket.Receive(new byte[1]));
        }

        using var other = MmdsNetwork.Connect();
        other.Send(Encoding.ASCII.GetBytes(new string('x', 5000)));
        Assert.StartsWith("HTTP/1.1 400", MmdsNetwork.Read(other).Head, StringComparison.Ordinal);
    });

    [Fact]
    public void Another_port_is_refused_and_so_is_one_connection_too_many() => MmdsNetwork.Run(Store(), _ =>
    {
        Assert.Equal(SocketError.ConnectionRefused, Assert.Throws<SocketException>(() => MmdsNetwork.Connect(81)).SocketErrorCode);
        var sockets = Enumerable.Range(0, MmdsResponder.MostConnections).Select(_ => MmdsNetwork.Connect()).ToList();
        Assert.Equal(SocketError.ConnectionRefused, Assert.Throws<SocketException>(() => MmdsNetwork.Connect()).SocketErrorCode);
        MmdsNetwork.Ask(sockets[0], "GET /latest HTTP/1.1\r\nConnection: close\r\n\r\n");
        sockets[0].Dispose();
        sockets[1].Close(0); // By RST.
        using var next = MmdsNetwork.Connect();
        Assert.Equal("meta-data/", MmdsNetwork.Ask(next, "GET /latest HTTP/1.1\r\n\r\n").Body);
        sockets.ForEach(socket => socket.Dispose());
    });

    [Fact]
    public void A_peer_that_falls_silent_is_asked_again_and_then_forgotten()
    {
        var time = new FakeTimeProvider();
        var service = new MmdsResponder(new IPAddress(Service), Store(), new(), time);
        var frame = new byte[1514];
        service.Deliver(Frames.Syn(1000));
        var answers = 0;
        for (var i = 0; i < 600 && service.Connections > 0; i++)
        {
            while (service.TryTake(frame, out var length))
            {
                Assert.Equal(58, length);
                Assert.Equal(0x12, frame[47]);
                answers++;
            }

            time.Advance(TimeSpan.FromMilliseconds(100));
        }

        Assert.Equal((0, 8), (service.Connections, answers));
        Assert.Null(service.Due);
    }

    [Fact]
    public void Frames_for_the_service_do_not_reach_the_host_and_others_do() => NetworkNamespace.WithTap(() =>
    {
        var service = new MmdsResponder(new IPAddress(Service), Store(), new());
        using var guest = new NetGuest(responder: service);
        guest.Post(60);
        guest.Send(Frames.Arp());
        var reply = guest.Receive().Frame;
        Assert.Equal(2, reply[21]);
        Assert.Equal((byte[])[6, 1, 0x23, 0x45, 0x67, 1, .. Service, .. NetGuest.GuestMac, 10, 0, 0, 2], reply[22..42]);
        guest.Send(Frames.Syn(1000));
        Assert.Equal(0x12, guest.Receive().Frame[47]);
        Assert.Equal(0, guest.Device.Counters.TransmittedFrames);
        guest.Send(NetGuest.Udp(9, 1));
        Assert.Equal(1, guest.Device.Counters.TransmittedFrames);
    });

    [Fact]
    public void Any_frame_for_the_service_is_taken_and_nothing_grows()
    {
        var (runs, frames) = (0, 0);
        var script = ArbMap.Default.GeneratorFor<byte[]>().ArrayOf();
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(300), Prop.ForAll(script.ToArbitrary(), pieces =>
        {
            var time = new FakeTimeProvider();
            var service = new MmdsResponder(new IPAddress(Service), Store(), new(), time);
            var taken = new byte[1514];
            foreach (var (piece, i) in pieces.Select((piece, i) => (piece, i)))
            {
                var frame = i % 3 == 0 ? Frames.Arp() : Frames.Syn((ushort)(i % 40));
                // Anything from some byte on; the addresses stay, so that it is for the service.
                for (var at = 0; at < piece.Length; at++)
                {
                    var where = 14 + ((piece[at] + at) % (frame.Length - 14));
                    if (where is < 30 or > 33 and < 38 or > 41) frame[where] = piece[(at * 7) % piece.Length];
                }

                if (piece.Length % 5 == 4) frame = frame[..(34 + (piece[0] % (frame.Length - 34)))];
                service.Deliver(frame);
                time.Advance(TimeSpan.FromMilliseconds(piece.Length * 20));
                for (var limit = 0; i % 4 == 0 && service.TryTake(taken, out var length); limit++)
                {
                    Assert.InRange(length, 42, 1514);
                    Assert.True(limit < 200, "it never falls silent");
                }

                Assert.InRange(service.Connections, 0, MmdsResponder.MostConnections);
                frames++;
            }

            runs++;
        }));
        TestContext.Current.TestOutputHelper?.WriteLine($"{runs} runs, {frames} frames");
        Assert.True(frames > 3000);
    }

    private static MmdsDataStore Store()
    {
        var store = new MmdsDataStore(51_200, TimeProvider.System);
        store.Put(JsonBody.Parse("""{"latest":{"meta-data":{"ami-id":"ami-1","count":3}}}"""u8, "a test"));
        return store;
    }

    private static class Frames
    {
        public static byte[] Arp() =>
        [
            255, 255, 255, 255, 255, 255, .. NetGuest.GuestMac, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, .. NetGuest.GuestMac, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, .. Service,
        ];

        public static byte[] Syn(ushort port) =>
        [
            6, 1, 0x23, 0x45, 0x67, 1, .. NetGuest.GuestMac, 8, 0, 0x45, 0, 0, 44, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 2, .. Service,
            (byte)(port >> 8), (byte)port, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0x10, 0, 0, 0, 0, 0, 2, 4, 5, 0xb4,
        ];
    }
}

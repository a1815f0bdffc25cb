using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using RunnerVm.Egress;
using RunnerVm.GuestProtocol;
using Xunit;

namespace RunnerVm.Tests.Executor.Egress;

public sealed class EgressGatewayTests
{
    private const int Minute = 60_000;

    [Fact(Timeout = Minute)]
    public async Task Each_direction_ends_on_its_own()
    {
        using var server = new LoopbackServer(async socket =>
        {
            var buffer = new byte[4096];
            var total = 0;
            for (var n = await socket.ReceiveAsync(buffer); n > 0; n = await socket.ReceiveAsync(buffer)) total += n;
            await socket.SendAsync(Encoding.ASCII.GetBytes($"{total} bytes"));
        });
        var gateway = await GatewayFixture.StartAsync([server.Rule], cancellation: TestContext.Current.CancellationToken);
        await using (var channel = gateway.DialHost(server.Port))
        {
            await channel.WriteAsync(new byte[100_000]);
            channel.End();
            Assert.Equal("100000 bytes", Encoding.ASCII.GetString(await GatewayFixture.ReadAllAsync(channel)));
        }

        var line = Assert.Single(await gateway.FinishAsync());
        Assert.Equal("allowed", line.GetProperty("verdict").GetString());
        Assert.Equal(("host", "198.18.0.1", server.Port), (line.GetProperty("name").GetString(), line.GetProperty("address").GetString(), line.GetProperty("port").GetInt32()));
        Assert.Equal((100_000, 12), (line.GetProperty("bytesUp").GetInt64(), line.GetProperty("bytesDown").GetInt64()));
        Assert.Equal((2, "a step"), (line.GetProperty("step").GetInt32(), line.GetProperty("stepName").GetString()));
    }

    [Fact(Timeout = Minute)]
    public async Task The_servers_end_leaves_the_guests_direction_open()
    {
        var got = new TaskCompletionSource<int>();
        using var server = new LoopbackServer(async socket =>
        {
            socket.Shutdown(SocketShutdown.Send);
            var buffer = new byte[4096];
            var total = 0;
            for (var n = await socket.ReceiveAsync(buffer); n > 0; n = await socket.ReceiveAsync(buffer)) total += n;
            got.SetResult(total);
        });
        await using var gateway = await GatewayFixture.StartAsync([server.Rule], cancellation: TestContext.Current.CancellationToken);
        await using var channel = gateway.DialHost(server.Port);
        Assert.Null(await channel.ReadAsync());
        await channel.WriteAsync(new byte[300_000]);
        channel.End();
        Assert.Equal(300_000, await got.Task);
    }

    [Fact(Timeout = Minute)]
    public async Task A_reset_of_the_server_is_a_reset_of_the_channel()
    {
        using var server = new LoopbackServer(async socket =>
        {
            await socket.ReceiveAsync(new byte[1]);
            SocketRelay.ResetSocket(socket);
        });
        var gateway = await GatewayFixture.StartAsync([server.Rule], cancellation: TestContext.Current.CancellationToken);
        await using (var channel = gateway.DialHost(server.Port))
        {
            await channel.WriteAsync(new byte[1]);
            await Assert.ThrowsAsync<ChannelResetException>(async () => await channel.ReadAsync());
        }

        Assert.Contains("reset", Assert.Single(await gateway.FinishAsync()).GetProperty("reason").GetString());
    }

    [Theory(Timeout = Minute)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_reset_of_the_channel_is_a_reset_at_the_server(bool afterEnd)
    {
        var seen = new TaskCompletionSource<SocketError>();
        using var server = new LoopbackServer(async socket =>
        {
            await socket.SendAsync(new byte[1]);
            try
            {
                while (await socket.ReceiveAsync(new byte[10]) > 0)
                {
                }

                // After the guest's end only a write can tell.
                while (true)
                {
                    await socket.SendAsync(new byte[1]);
                    await Task.Delay(5);
                }
            }
            catch (SocketException e)
            {
                seen.SetResult(e.SocketErrorCode);
            }
        });
        await using var gateway = await GatewayFixture.StartAsync([server.Rule], cancellation: TestContext.Current.CancellationToken);
        await using var channel = gateway.DialHost(server.Port);
        Assert.NotNull(await channel.ReadAsync());
        if (afterEnd) channel.End();
        channel.Reset("enough");
        Assert.Contains(await seen.Task, new[] { SocketError.ConnectionReset, SocketError.Shutdown });
    }

    [Fact(Timeout = Minute)]
    public async Task A_guest_that_does_not_read_stops_the_server_and_loses_nothing()
    {
        const int total = 32 * 1024 * 1024;
        var sent = 0L;
        using var server = new LoopbackServer(async socket =>
        {
            var block = new byte[64 * 1024];
            for (var left = total; left > 0;)
            {
                var n = await socket.SendAsync(block.AsMemory(0, Math.Min(block.Length, left)));
                left -= n;
                Interlocked.Add(ref sent, n);
            }
        });
        await using var gateway = await GatewayFixture.StartAsync([server.Rule], cancellation: TestContext.Current.CancellationToken);
        await using var channel = gateway.DialHost(server.Port, window: 128 * 1024);
        Assert.NotNull(await channel.ReadAsync());
        long last;
        do
        {
            last = Interlocked.Read(ref sent);
            await Task.Delay(200);
        }
        while (Interlocked.Read(ref sent) != last);

        // The window, a relay's buffer, and what the kernel's socket buffers take.
        Assert.InRange(last, 1, 16 * 1024 * 1024);
        var rest = (await GatewayFixture.ReadAllAsync(channel)).Length;
        Assert.InRange(rest, total - (64 * 1024), total - 1);
    }

    [Fact(Timeout = Minute)]
    public async Task A_server_that_does_not_read_stops_the_guest()
    {
        var go = new TaskCompletionSource();
        using var server = new LoopbackServer(async socket =>
        {
            await go.Task;
            var buffer = new byte[64 * 1024];
            var total = 0L;
            for (var n = await socket.ReceiveAsync(buffer); n > 0; n = await socket.ReceiveAsync(buffer)) total += n;
            await socket.SendAsync(BitConverter.GetBytes(total));
        });
        await using var gateway = await GatewayFixture.StartAsync([server.Rule], cancellation: TestContext.Current.CancellationToken);
        await using var channel = gateway.DialHost(server.Port);
        var writing = channel.WriteAsync(new byte[32 * 1024 * 1024]).AsTask();
        Assert.NotSame(writing, await Task.WhenAny(writing, Task.Delay(500)));
        go.SetResult();
        await writing;
        channel.End();
        Assert.Equal(32L * 1024 * 1024, BitConverter.ToInt64(await GatewayFixture.ReadAllAsync(channel)));
    }

    [Fact(Timeout = 2 * Minute)]
    public async Task A_thousand_connections_at_once_and_one_more_than_allowed()
    {
        using var server = LoopbackServer.Echo();
        var options = new EgressOptions { DnsServers = [], HostHasIPv6 = false, MaximumConnections = 1000 };
        var gateway = await GatewayFixture.StartAsync([server.Rule], options: options, cancellation: TestContext.Current.CancellationToken);
        var channels = Enumerable.Range(0, 1000).Select(_ => gateway.DialHost(server.Port)).ToArray();
        await Task.WhenAll(channels.Select(async (channel, i) =>
        {
            await channel.WriteAsync(BitConverter.GetBytes(i));
            var back = new byte[4];
            await channel.AsStream().ReadExactlyAsync(back);
            Assert.Equal(i, BitConverter.ToInt32(back));
        }));
        await using (var surplus = gateway.DialHost(server.Port))
        {
            var e = await Assert.ThrowsAsync<ChannelResetException>(async () => await surplus.ReadAsync());
            Assert.Contains("too many", e.Message);
        }

        foreach (var channel in channels) channel.End();
        foreach (var channel in channels) Assert.Null(await channel.ReadAsync());
        await using (var again = gateway.DialHost(server.Port)) await again.WriteAsync(new byte[1]);
        var lines = await gateway.FinishAsync();
        Assert.Equal(1002, lines.Count);
        Assert.Equal(1002, gateway.Audit.Summarize().Connections);
    }

    [Fact(Timeout = 2 * Minute)]
    public async Task A_large_download_arrives_unchanged()
    {
        var data = RandomNumberGenerator.GetBytes(64 * 1024 * 1024);
        using var server = new LoopbackServer(async socket =>
        {
            for (var at = 0; at < data.Length;) at += await socket.SendAsync(data.AsMemory(at, Math.Min(1 << 20, data.Length - at)));
        });
        await using var gateway = await GatewayFixture.StartAsync([server.Rule], cancellation: TestContext.Current.CancellationToken);
        await using var channel = gateway.DialHost(server.Port);
        Assert.Equal(SHA256.HashData(data), SHA256.HashData(await GatewayFixture.ReadAllAsync(channel)));
    }

    [Theory(Timeout = Minute)]
    [InlineData("10.1.2.3", "a private address")]
    [InlineData("127.0.0.1", "the host itself")]
    [InlineData("::1", "the host itself")]
    [InlineData("::ffff:127.0.0.1", "the host itself")]
    [InlineData("169.254.169.254", "metadata")]
    [InlineData("fe80::1", "link-local")]
    [InlineData("198.18.0.1", "allow it with host:")]
    [InlineData("203.0.113.1", "the host itself")]
    public async Task What_is_refused_is_reset_with_the_reason_and_audited(string address, string reason)
    {
        // A server really listens on the host's loopback at that port.
        using var server = LoopbackServer.Echo();
        var gateway = await GatewayFixture.StartAsync(auditOnly: true, hostAddresses: new([IPAddress.Parse("203.0.113.1")]), cancellation: TestContext.Current.CancellationToken);
        await using (var channel = gateway.Dial(address, server.Port))
        {
            var e = await Assert.ThrowsAsync<ChannelResetException>(async () => await channel.ReadAsync());
            Assert.Contains(reason, e.Message);
        }

        var line = Assert.Single(await gateway.FinishAsync());
        Assert.Equal("denied", line.GetProperty("verdict").GetString());
        Assert.Equal(1, gateway.Audit.Summarize().DeniedConnections);
    }

    [Fact(Timeout = Minute)]
    public async Task A_port_nobody_listens_on_is_a_reset_that_says_refused()
    {
        var server = LoopbackServer.Echo();
        var port = server.Port;
        server.Dispose();
        var gateway = await GatewayFixture.StartAsync([$"host:{port}"], cancellation: TestContext.Current.CancellationToken);
        await using (var channel = gateway.DialHost(port))
        {
            var e = await Assert.ThrowsAsync<ChannelResetException>(async () => await channel.ReadAsync());
            Assert.Equal("connection refused", e.Message);
        }

        Assert.Equal("failed", Assert.Single(await gateway.FinishAsync()).GetProperty("verdict").GetString());
    }

    [Theory(Timeout = Minute)]
    [InlineData("""{"address":"host.example","port":80}""")]
    [InlineData("""{"address":"fe80::1%eth0","port":80}""")]
    [InlineData("""{"address":"203.0.113.9","port":0}""")]
    [InlineData("""{"address":"203.0.113.9","port":65536}""")]
    [InlineData("""{"address":"","port":1}""")]
    [InlineData("""{"port":80}""")]
    [InlineData("""{"address":null,"port":80}""")]
    [InlineData("not json")]
    [InlineData("")]
    public async Task A_request_that_is_none_breaks_the_protocol(string request)
    {
        await using var gateway = await GatewayFixture.StartAsync(cancellation: TestContext.Current.CancellationToken);
        await using var channel = gateway.Guest.Open(ChannelKind.Dial, Encoding.UTF8.GetBytes(request));
        await Assert.ThrowsAsync<ChannelResetException>(async () => await channel.ReadAsync());
        await gateway.DisposeAsync();
        await Assert.ThrowsAsync<ProtocolException>(() => Assert.Single(gateway.Serving));
    }

    [Fact]
    public async Task A_connection_still_open_at_the_end_has_its_line_with_its_bytes()
    {
        var lines = new MemoryStream();
        var audit = new EgressAudit(lines, () => null, TimeProvider.System);
        var connection = audit.Begin("a.example", IPAddress.Parse("203.0.113.9"), 443);
        connection.Progress = () => (7, 9);
        await audit.DisposeAsync();
        audit.Finish(connection, EgressVerdict.Failed, "late");
        var text = Encoding.UTF8.GetString(lines.ToArray());
        Assert.Contains("\"bytesUp\":7,\"bytesDown\":9", text);
        Assert.DoesNotContain("late", text);
    }
}

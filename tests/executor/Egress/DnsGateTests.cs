using System.Net;
using System.Net.Sockets;
using RunnerVm.Egress;
using RunnerVm.GuestProtocol;
using Xunit;

namespace RunnerVm.Tests.Executor.Egress;

public sealed class DnsGateTests
{
    private const int Minute = 60_000;

    private static EgressOptions Options(params TestResolver[] resolvers) => new()
    {
        DnsServers = [.. resolvers.Select(r => r.EndPoint)],
        HostHasIPv6 = true,
        DnsTimeout = TimeSpan.FromMilliseconds(400),
    };

    [Fact(Timeout = Minute)]
    public async Task A_name_is_resolved_by_the_hosts_servers_and_remembered_for_the_audit()
    {
        using var resolver = new TestResolver((_, q) => DnsMessageTests.Answer(q, DnsCode.NoError, false, ("a.example", DnsType.A, [10, 9, 8, 7])));
        var gateway = await GatewayFixture.StartAsync(options: Options(resolver), cancellation: TestContext.Current.CancellationToken);
        Assert.Equal([IPAddress.Parse("10.9.8.7")], (await gateway.LookUpAsync("A.example")).Resolve().Addresses);
        await using (var channel = gateway.Dial("10.9.8.7", 80)) await Assert.ThrowsAsync<ChannelResetException>(async () => await channel.ReadAsync());
        Assert.Equal("a.example", Assert.Single(await gateway.FinishAsync()).GetProperty("name").GetString());
    }

    [Fact(Timeout = Minute)]
    public async Task A_name_that_is_public_first_and_loopback_then_is_refused_the_second_time()
    {
        using var server = LoopbackServer.Echo();
        var answers = new Queue<byte[]>([[203, 0, 113, 9], [127, 0, 0, 1]]);
        using var resolver = new TestResolver((_, q) => DnsMessageTests.Answer(q, DnsCode.NoError, false, ("rebind.example", DnsType.A, answers.Dequeue())));
        await using var gateway = await GatewayFixture.StartAsync(["rebind.example"], options: Options(resolver), cancellation: TestContext.Current.CancellationToken);
        Assert.Equal([IPAddress.Parse("203.0.113.9")], (await gateway.LookUpAsync("rebind.example")).Resolve().Addresses);
        // Other letters, so that the short cache does not answer.
        Assert.Equal([IPAddress.Loopback], (await gateway.LookUpAsync("REBIND.example")).Resolve().Addresses);
        await using var channel = gateway.Dial("127.0.0.1", server.Port);
        var e = await Assert.ThrowsAsync<ChannelResetException>(async () => await channel.ReadAsync());
        Assert.Contains("the host itself", e.Message);
    }

    [Fact(Timeout = Minute)]
    public async Task A_denied_name_does_not_exist_and_never_leaves()
    {
        using var resolver = new TestResolver((_, q) => DnsMessageTests.Answer(q, DnsCode.NoError, false));
        var gateway = await GatewayFixture.StartAsync(["good.example"], options: Options(resolver), cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(DnsCode.NameError, (await gateway.LookUpAsync("secret.evil.example")).Code);
        Assert.Equal(DnsCode.NoError, (await gateway.LookUpAsync("good.example")).Code);
        Assert.Equal(1, resolver.Asked);
        var line = Assert.Single(await gateway.FinishAsync());
        Assert.Equal(("dns", "denied", "secret.evil.example"),
            (line.GetProperty("protocol").GetString(), line.GetProperty("verdict").GetString(), line.GetProperty("name").GetString()));
    }

    [Fact(Timeout = Minute)]
    public async Task Audit_mode_looks_denied_names_up_and_says_so()
    {
        using var resolver = new TestResolver((_, q) => DnsMessageTests.Answer(q, DnsCode.NoError, false, ("x.example", DnsType.A, [203, 0, 113, 9])));
        var gateway = await GatewayFixture.StartAsync(["good.example"], auditOnly: true, options: Options(resolver), cancellation: TestContext.Current.CancellationToken);
        Assert.Single((await gateway.LookUpAsync("x.example")).Records);
        Assert.Equal("audited", Assert.Single(await gateway.FinishAsync()).GetProperty("verdict").GetString());
    }

    [Fact(Timeout = Minute)]
    public async Task An_answer_that_does_not_fit_is_asked_for_over_tcp()
    {
        var many = Enumerable.Range(0, 200).Select(i => ("big.example", DnsType.A, new byte[] { 203, 0, 113, (byte)i })).ToArray();
        using var resolver = new TestResolver((tcp, q) => tcp ? DnsMessageTests.Answer(q, DnsCode.NoError, false, many) : DnsMessageTests.Answer(q, DnsCode.NoError, true));
        await using var gateway = await GatewayFixture.StartAsync(options: Options(resolver), cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(200, (await gateway.LookUpAsync("big.example")).Records.Count);
    }

    [Fact(Timeout = Minute)]
    public async Task A_silent_or_failing_server_is_passed_over()
    {
        using var silent = new TestResolver((_, _) => null);
        using var failing = new TestResolver((_, q) => DnsMessageTests.Answer(q, DnsCode.ServerFailure, false));
        using var good = new TestResolver((_, q) => DnsMessageTests.Answer(q, DnsCode.NoError, false, ("a.example", DnsType.A, [203, 0, 113, 9])));
        await using var gateway = await GatewayFixture.StartAsync(options: Options(silent, failing, good), cancellation: TestContext.Current.CancellationToken);
        Assert.Single((await gateway.LookUpAsync("a.example")).Records);
    }

    [Fact(Timeout = Minute)]
    public async Task Without_any_answer_the_look_up_fails_and_is_audited()
    {
        using var silent = new TestResolver((_, _) => null);
        var gateway = await GatewayFixture.StartAsync(options: Options(silent), cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(DnsCode.ServerFailure, (await gateway.LookUpAsync("a.example")).Code);
        Assert.Equal("failed", Assert.Single(await gateway.FinishAsync()).GetProperty("verdict").GetString());
    }

    [Fact(Timeout = Minute)]
    public async Task An_answer_with_another_id_or_question_is_not_believed()
    {
        using var liar = new TestResolver((_, q) =>
        {
            q[0] ^= 0xFF;
            return DnsMessageTests.Answer(q, DnsCode.NoError, false, ("a.example", DnsType.A, [203, 0, 113, 66]));
        });
        using var confused = new TestResolver((_, q) => DnsMessageTests.Answer(
            DnsMessageTests.Query("b.example", id: (ushort)((q[0] << 8) | q[1])), DnsCode.NoError, false, ("b.example", DnsType.A, [203, 0, 113, 66])));
        await using var gateway = await GatewayFixture.StartAsync(options: Options(liar, confused), cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(DnsCode.ServerFailure, (await gateway.LookUpAsync("a.example")).Code);
    }

    [Fact(Timeout = Minute)]
    public async Task Repeated_look_ups_are_answered_from_memory_each_with_its_own_id()
    {
        using var resolver = new TestResolver((_, q) => DnsMessageTests.Answer(q, DnsCode.NoError, false, ("a.example", DnsType.A, [203, 0, 113, 9])));
        await using var gateway = await GatewayFixture.StartAsync(options: Options(resolver), cancellation: TestContext.Current.CancellationToken);
        await using var channel = gateway.Guest.Open(ChannelKind.Dns, []);
        for (ushort id = 0; id < 500; id++)
        {
            var answer = DnsMessage.ReadAnswer(await GatewayFixture.AskAsync(channel, DnsMessageTests.Query("a.example", id: id)));
            Assert.Equal(id, answer.Id);
        }

        Assert.Equal(1, resolver.Asked);
    }

    [Fact(Timeout = Minute)]
    public async Task Addresses_nobody_here_can_reach_are_not_handed_out()
    {
        using var resolver = new TestResolver((_, q) => DnsMessageTests.Answer(q, DnsCode.NoError, false, ("a.example", DnsType.Aaaa, IPAddress.Parse("2001:db8::9").GetAddressBytes())));
        await using var gateway = await GatewayFixture.StartAsync(options: Options(resolver) with { HostHasIPv6 = false }, cancellation: TestContext.Current.CancellationToken);
        var answer = await gateway.LookUpAsync("a.example", DnsType.Aaaa);
        Assert.Equal((DnsCode.NoError, 0, 0), (answer.Code, answer.Records.Count, resolver.Asked));
    }

    [Fact(Timeout = Minute)]
    public async Task The_host_has_names_that_need_no_server()
    {
        await using var gateway = await GatewayFixture.StartAsync(cancellation: TestContext.Current.CancellationToken);
        Assert.Equal([AddressPlan.HostAlias], (await gateway.LookUpAsync("host")).Resolve().Addresses);
        Assert.Equal([AddressPlan.HostAlias], (await gateway.LookUpAsync("Host.RunnerVM.internal")).Resolve().Addresses);
        Assert.Empty((await gateway.LookUpAsync("host", DnsType.Aaaa)).Records);
    }

    [Fact(Timeout = Minute)]
    public async Task Nonsense_gets_a_format_error_and_a_monster_ends_the_machine()
    {
        await using var gateway = await GatewayFixture.StartAsync(cancellation: TestContext.Current.CancellationToken);
        await using (var channel = gateway.Guest.Open(ChannelKind.Dns, []))
        {
            var reply = await GatewayFixture.AskAsync(channel, [7, 8, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0]);
            Assert.Equal((7, 8, (int)DnsCode.FormatError), (reply[0], reply[1], reply[3] & 0xF));
        }

        await using var monster = gateway.Guest.Open(ChannelKind.Dns, []);
        await monster.WriteAsync((byte[])[0xFF, 0xFF]);
        await Assert.ThrowsAsync<ChannelResetException>(async () => await monster.ReadAsync());
        await gateway.DisposeAsync();
        Assert.Contains(gateway.Serving, t => t.Exception?.InnerException is ProtocolException);
    }

    [Fact]
    public void Servers_are_read_from_resolv_conf()
    {
        var servers = DnsServers.ReadResolvConf("# a comment\nsearch x\nnameserver 192.0.2.1\n nameserver\t2001:db8::1\r\nnameserver nonsense\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n");
        Assert.Equal(["192.0.2.1:53", "[2001:db8::1]:53", "192.0.2.2:53"], servers.Select(s => s.ToString()));
        Assert.Equal("127.0.0.1:53", Assert.Single(DnsServers.ReadResolvConf("")).ToString());
    }
}

/// <summary>A name server on loopback, UDP and TCP on one port; null means silence.</summary>
internal sealed class TestResolver : IDisposable
{
    private readonly Socket _udp = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    private readonly Socket _tcp = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly Func<bool, byte[], byte[]?> _answer;
    private int _asked;

    public TestResolver(Func<bool, byte[], byte[]?> answer)
    {
        _answer = answer;
        // TCP chooses: its ports are the scarcer ones while other tests hold thousands of connections.
        _tcp.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _udp.Bind(_tcp.LocalEndPoint!);
        _tcp.Listen();
        _ = ServeUdpAsync();
        _ = ServeTcpAsync();
    }

    public IPEndPoint EndPoint => (IPEndPoint)_udp.LocalEndPoint!;

    public int Asked => _asked;

    public void Dispose()
    {
        _udp.Dispose();
        _tcp.Dispose();
    }

    private async Task ServeUdpAsync()
    {
        var buffer = new byte[4096];
        try
        {
            while (true)
            {
                var got = await _udp.ReceiveFromAsync(buffer, new IPEndPoint(IPAddress.Any, 0));
                Interlocked.Increment(ref _asked);
                if (_answer(false, buffer.AsSpan(0, got.ReceivedBytes).ToArray()) is { } answer) await _udp.SendToAsync(answer, got.RemoteEndPoint);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task ServeTcpAsync()
    {
        try
        {
            while (true)
            {
                using var socket = await _tcp.AcceptAsync();
                await using var stream = new NetworkStream(socket);
                var prefix = new byte[2];
                await stream.ReadExactlyAsync(prefix);
                var query = new byte[(prefix[0] << 8) | prefix[1]];
                await stream.ReadExactlyAsync(query);
                if (_answer(true, query) is not { } answer) continue;
                await stream.WriteAsync((byte[])[(byte)(answer.Length >> 8), (byte)answer.Length, .. answer]);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException)
        {
        }
    }
}

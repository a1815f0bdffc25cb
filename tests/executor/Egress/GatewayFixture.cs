using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using RunnerVm.Egress;
using RunnerVm.GuestProtocol;
using RunnerVm.Jobs;

namespace RunnerVm.Tests.Executor.Egress;

/// <summary>A gateway at one end of a real stream and a guest at the other; the test plays the guest's agent.</summary>
internal sealed class GatewayFixture : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentBag<Task> _serving = [];
    private readonly MemoryStream _lines = new();
    private readonly EgressGateway _gateway;
    private readonly GuestConnection _host;
    private readonly Task _accepting;
    private CancellationTokenRegistration _deadline;

    private GatewayFixture(GuestConnection host, GuestConnection guest, EgressGateway gateway, EgressAudit audit, MemoryStream lines)
    {
        (_host, Guest, _gateway, Audit, _lines) = (host, guest, gateway, audit, lines);
        _accepting = AcceptAsync();
    }

    public GuestConnection Guest { get; }

    public EgressAudit Audit { get; }

    /// <summary>What each channel's serving ended with.</summary>
    public IEnumerable<Task> Serving => _serving;

    public static async Task<GatewayFixture> StartAsync(
        string[]? allow = null, string[]? deny = null, bool auditOnly = false, EgressOptions? options = null, HostAddresses? hostAddresses = null, CancellationToken cancellation = default)
    {
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        // A name in the abstract namespace leaves no file.
        var name = new UnixDomainSocketEndPoint($"\0egress-test-{Guid.NewGuid():N}");
        listener.Bind(name);
        listener.Listen();
        var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await client.ConnectAsync(name, cancellation);
        var server = await listener.AcceptAsync(cancellation);
        var guest = GuestConnection.OpenAsync(new NetworkStream(client, true), Role.Guest, "test", CancellationToken.None);
        var host = GuestConnection.OpenAsync(new NetworkStream(server, true), Role.Host, "test", CancellationToken.None);

        var lines = new MemoryStream();
        var audit = new EgressAudit(lines, () => new EgressStep(2, "a step"), TimeProvider.System);
        var policy = EgressPolicy.Compile(new(NetworkKind.Filtered, allow, deny, auditOnly), hostAddresses ?? new HostAddresses([]));
        var gateway = new EgressGateway(policy, audit, options ?? new EgressOptions { DnsServers = [], HostHasIPv6 = true }, TimeProvider.System);
        var fixture = new GatewayFixture(await host, await guest, gateway, audit, lines);
        // A test that takes too long ends by its connection's end, wherever it waits.
        fixture._deadline = cancellation.Register(() => _ = fixture.Guest.DisposeAsync().AsTask());
        return fixture;
    }

    public GuestChannel Dial(string address, int port, int window = Limits.DefaultWindow) =>
        Guest.Open(ChannelKind.Dial, Messages.Write(new DialRequest { Address = address, Port = port }, Messages.Default.DialRequest), window);

    /// <summary>To a server of the test, by the name a guest has for the host.</summary>
    public GuestChannel DialHost(int port, int window = Limits.DefaultWindow) => Dial("198.18.0.1", port, window);

    public async Task<DnsAnswer> LookUpAsync(string name, ushort type = DnsType.A)
    {
        await using var channel = Guest.Open(ChannelKind.Dns, []);
        return DnsMessage.ReadAnswer(await AskAsync(channel, DnsMessageTests.Query(name, type)));
    }

    public static async Task<byte[]> AskAsync(GuestChannel channel, byte[] query)
    {
        await channel.WriteAsync((byte[])[(byte)(query.Length >> 8), (byte)query.Length, .. query]);
        var stream = channel.AsStream();
        var prefix = new byte[2];
        await stream.ReadExactlyAsync(prefix);
        var answer = new byte[BinaryPrimitives.ReadUInt16BigEndian(prefix)];
        await stream.ReadExactlyAsync(answer);
        return answer;
    }

    /// <summary>All that comes until the end.</summary>
    public static async Task<byte[]> ReadAllAsync(GuestChannel channel)
    {
        var all = new MemoryStream();
        while (await channel.ReadAsync() is { } piece) all.Write(piece.Bytes.Span);
        return all.ToArray();
    }

    /// <summary>Ends the machine and reads the audit.</summary>
    public async Task<List<JsonElement>> FinishAsync()
    {
        await DisposeAsync();
        return [.. Encoding.UTF8.GetString(_lines.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonDocument.Parse(line).RootElement)];
    }

    public async ValueTask DisposeAsync()
    {
        if (_stop.IsCancellationRequested) return;
        await _deadline.DisposeAsync();
        await _stop.CancelAsync();
        await Guest.DisposeAsync();
        await _host.DisposeAsync();
        await _accepting;
        await Task.WhenAll(_serving).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _gateway.Dispose();
        await Audit.DisposeAsync();
    }

    private async Task AcceptAsync()
    {
        await foreach (var channel in _host.AcceptAsync(CancellationToken.None)) _serving.Add(_gateway.RunAsync(channel, _stop.Token));
    }
}

/// <summary>A TCP server on loopback that does the same with each connection.</summary>
internal sealed class LoopbackServer : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly Func<Socket, Task> _serve;

    public LoopbackServer(Func<Socket, Task> serve)
    {
        _serve = serve;
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(2048);
        _ = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    public string Rule => $"host:{Port}";

    public static LoopbackServer Echo() => new(async socket =>
    {
        var buffer = new byte[64 * 1024];
        for (var n = await socket.ReceiveAsync(buffer); n > 0; n = await socket.ReceiveAsync(buffer))
            for (var sent = 0; sent < n;) sent += await socket.SendAsync(buffer.AsMemory(sent, n - sent));
    });

    public void Dispose() => _listener.Dispose();

    private async Task AcceptAsync()
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = await _listener.AcceptAsync();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }

            _ = ServeAsync(socket);
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using (socket)
        {
            try
            {
                await _serve(socket);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
            }
        }
    }
}

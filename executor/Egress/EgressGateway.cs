using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using RunnerVm.GuestProtocol;

namespace RunnerVm.Egress;

/// <summary>
/// The only way out of one machine: takes the dial and dns channels its guest opens, decides by policy, connects,
/// relays, and leaves an audit line. One for each machine; the audit is the caller's.
/// Dispose it when the last <see cref="RunAsync"/> has returned.
/// </summary>
internal sealed class EgressGateway : IDisposable
{
    private readonly EgressPolicy _policy;
    private readonly EgressAudit _audit;
    private readonly EgressOptions _options;
    private readonly TimeProvider _time;
    private readonly LearnedNames _learned = new();
    private readonly DnsGate _dns;
    private readonly SemaphoreSlim _lookups;
    private int _connections;

    public EgressGateway(EgressPolicy policy, EgressAudit audit, EgressOptions options, TimeProvider time)
    {
        (_policy, _audit, _options, _time) = (policy, audit, options, time);
        _lookups = new(options.MaximumLookups);
        var servers = new DnsServers(options.DnsServers ?? HostResolvers(), options.DnsTimeout, time);
        _dns = new(policy, _learned, audit, servers, options.HostHasIPv6 ?? HasIPv6Route(), time);
    }

    /// <summary>
    /// Serves a channel of kind dial or dns until it is over, and disposes it. What goes wrong with a destination ends
    /// in the channel and the audit, not here.
    /// </summary>
    /// <exception cref="ProtocolException">The guest broke the protocol's rules: end the machine.</exception>
    public async Task RunAsync(GuestChannel channel, CancellationToken cancellationToken)
    {
        await using (channel)
        {
            if (channel.Kind == ChannelKind.Dial) await DialAsync(channel, cancellationToken);
            else if (channel.Kind == ChannelKind.Dns) await AnswerAsync(channel, cancellationToken);
            else channel.Reset($"Nothing here serves channels of kind {(int)channel.Kind}.");
        }
    }

    public void Dispose() => _lookups.Dispose();

    private async Task AnswerAsync(GuestChannel channel, CancellationToken cancellationToken)
    {
        using var queries = new DnsChannel(channel, _dns, _lookups);
        await queries.RunAsync(cancellationToken);
    }

    private async Task DialAsync(GuestChannel channel, CancellationToken cancellationToken)
    {
        var request = Messages.Read(channel.Request, Messages.Default.DialRequest);
        // JSON may say null where the record does not.
        if (request.Address is null || request.Address.Contains('%') || !IPAddress.TryParse(request.Address, out var address))
            throw new ProtocolException("The guest dialled something that is no address.");
        if (request.Port is < 1 or > 65535) throw new ProtocolException($"The guest dialled port {request.Port}.");

        var names = _learned.Of(address);
        var connection = _audit.Begin(names.Count > 0 ? names[0] : NameOfAlias(address), address, request.Port);
        var decision = _policy.Decide(names, address, request.Port);
        if (!decision.MayPass)
        {
            channel.Reset(decision.Reason);
            _audit.Finish(connection, decision.Verdict, decision.Reason);
            return;
        }

        try
        {
            if (Interlocked.Increment(ref _connections) > _options.MaximumConnections)
            {
                channel.Reset("too many connections");
                _audit.Finish(connection, EgressVerdict.Failed, $"more than {_options.MaximumConnections} connections at once");
                return;
            }

            await ConnectAndRelayAsync(channel, connection, decision, cancellationToken);
        }
        finally
        {
            Interlocked.Decrement(ref _connections);
        }
    }

    private async Task ConnectAndRelayAsync(
        GuestChannel channel, AuditedConnection connection, EgressDecision decision, CancellationToken cancellationToken)
    {
        var socket = new Socket(decision.Target!.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        if (await ConnectAsync(socket, decision.Target, channel, cancellationToken) is { } problem)
        {
            socket.Dispose();
            channel.Reset(problem);
            _audit.Finish(connection, EgressVerdict.Failed, problem);
            return;
        }

        var result = await SocketRelay.RunAsync(socket, channel, relay => connection.Progress = () => relay.Progress, cancellationToken);
        var reason = result.Failure is null ? decision.Reason : $"{decision.Reason}; {Printable(result.Failure)}";
        _audit.Finish(connection, decision.Verdict, reason, result.BytesToSocket, result.BytesToChannel);
    }

    /// <summary>Null when connected, else why not. A guest that no longer wants the connection stops the attempt.</summary>
    private async Task<string?> ConnectAsync(Socket socket, IPEndPoint target, GuestChannel channel, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(_options.ConnectTimeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            var connecting = socket.ConnectAsync(target, either.Token).AsTask();
            if (await Task.WhenAny(connecting, channel.Result) != connecting)
            {
                await either.CancelAsync();
                await connecting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                return "given up by the guest";
            }

            await connecting;
            return null;
        }
        catch (OperationCanceledException)
        {
            return cancellationToken.IsCancellationRequested ? "the machine ended" : "connection timed out";
        }
        catch (SocketException e)
        {
            return SocketRelay.DescribeError(e.SocketErrorCode);
        }
    }

    private static string? NameOfAlias(IPAddress address) =>
        AddressPlan.Canonical(address).Equals(AddressPlan.HostAlias) ? "host" : null;

    /// <summary>A reset's reason is the guest's text: one line of it, at most.</summary>
    private static string Printable(string text) =>
        string.Concat(text.Take(200).Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c));

    private static IReadOnlyList<IPEndPoint> HostResolvers()
    {
        try
        {
            return DnsServers.ReadResolvConf(File.ReadAllText("/etc/resolv.conf"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return DnsServers.ReadResolvConf("");
        }
    }

    /// <summary>Asks the routing table, sends nothing.</summary>
    private static bool HasIPv6Route()
    {
        try
        {
            using var socket = new Socket(AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp);
            socket.Connect(new IPEndPoint(IPAddress.Parse("2001:4860:4860::8888"), 53));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}

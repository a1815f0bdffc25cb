using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace RunnerVm.Egress;

/// <summary>
/// The host's resolvers: asks one after the other over UDP, over TCP when the answer did not fit, and believes only
/// what comes from the server asked, with the id and the question asked.
/// </summary>
internal sealed class DnsServers(IReadOnlyList<IPEndPoint> servers, TimeSpan timeout, TimeProvider time)
{
    private const int Rounds = 2;
    private const int DnsPort = 53;

    /// <summary>The servers /etc/resolv.conf names, at most the three a resolver looks at.</summary>
    public static IReadOnlyList<IPEndPoint> ReadResolvConf(string text) =>
    [
        .. text.Split('\n')
            .Select(line => line.Split((char[])[' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries))
            .Where(words => words is ["nameserver", ..] && words.Length >= 2)
            .Select(words => IPAddress.TryParse(words[1], out var address) ? address : null)
            .OfType<IPAddress>()
            .Take(3)
            .DefaultIfEmpty(IPAddress.Loopback)
            .Select(address => new IPEndPoint(address, DnsPort)),
    ];

    /// <summary>The raw answer with the asker's id, and what is in it; null when no server gave one.</summary>
    public async Task<(byte[] Message, DnsAnswer Answer)?> AskAsync(ReadOnlyMemory<byte> query, DnsQuery question, CancellationToken cancellationToken)
    {
        var asked = query.ToArray();
        for (var round = 0; round < Rounds; round++)
        {
            foreach (var server in servers)
            {
                // A fresh id and a fresh port for each try: the guest chooses neither.
                RandomNumberGenerator.Fill(asked.AsSpan(0, 2));
                if (await TryServerAsync(server, asked, question, cancellationToken) is not { } found) continue;
                if (found.Answer.Code is DnsCode.ServerFailure or DnsCode.Refused && !(round == Rounds - 1 && server.Equals(servers[^1]))) continue;
                BinaryPrimitives.WriteUInt16BigEndian(found.Message, question.Id);
                return found;
            }
        }

        return null;
    }

    private async Task<(byte[] Message, DnsAnswer Answer)?> TryServerAsync(
        IPEndPoint server, byte[] query, DnsQuery question, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            var found = await AskUdpAsync(server, query, question, either.Token);
            return found.Answer.Truncated ? await AskTcpAsync(server, query, question, either.Token) : found;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return null;
        }
        catch (Exception e) when (e is SocketException or DnsFormatException or IOException)
        {
            return null;
        }
    }

    private static async Task<(byte[] Message, DnsAnswer Answer)> AskUdpAsync(
        IPEndPoint server, byte[] query, DnsQuery question, CancellationToken cancellationToken)
    {
        using var socket = new Socket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        // Connected: the kernel drops what comes from elsewhere.
        await socket.ConnectAsync(server, cancellationToken);
        await socket.SendAsync(query, SocketFlags.None, cancellationToken);
        var buffer = ArrayPool<byte>.Shared.Rent(ushort.MaxValue);
        try
        {
            while (true)
            {
                var length = await socket.ReceiveAsync(buffer, SocketFlags.None, cancellationToken);
                if (TryMatch(buffer.AsSpan(0, length), query, question) is { } answer) return (buffer.AsSpan(0, length).ToArray(), answer);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async Task<(byte[] Message, DnsAnswer Answer)> AskTcpAsync(
        IPEndPoint server, byte[] query, DnsQuery question, CancellationToken cancellationToken)
    {
        using var socket = new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(server, cancellationToken);
        var framed = new byte[2 + query.Length];
        BinaryPrimitives.WriteUInt16BigEndian(framed, (ushort)query.Length);
        query.CopyTo(framed, 2);
        await using var stream = new NetworkStream(socket, ownsSocket: false);
        await stream.WriteAsync(framed, cancellationToken);
        await stream.ReadExactlyAsync(framed.AsMemory(0, 2), cancellationToken);
        var message = new byte[BinaryPrimitives.ReadUInt16BigEndian(framed)];
        await stream.ReadExactlyAsync(message, cancellationToken);
        return (message, TryMatch(message, query, question) ?? throw new DnsFormatException("an answer to another question"));
    }

    /// <summary>Null for an answer to something else: late, or forged.</summary>
    private static DnsAnswer? TryMatch(ReadOnlySpan<byte> message, ReadOnlySpan<byte> query, DnsQuery question)
    {
        try
        {
            var answer = DnsMessage.ReadAnswer(message);
            var same = answer.Id == BinaryPrimitives.ReadUInt16BigEndian(query) && answer.Question.Name == question.Name
                && answer.Question.Type == question.Type && answer.Question.Class == question.Class;
            return same ? answer : null;
        }
        catch (DnsFormatException)
        {
            return null;
        }
    }
}

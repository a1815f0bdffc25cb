using System.Buffers.Binary;
using System.Net;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Network;

/// <summary>
/// All look-ups over UDP on one dns channel. Queries of different programs may carry the same id, so each gets one of
/// ours on the way and its own back again. The oldest of too many unanswered ones are forgotten.
/// </summary>
internal sealed class DnsPipe(GuestConnection connection)
{
    private const int Slots = 4096;
    private const int HeaderSize = 12;
    private const int SmallestLimit = 512;
    private const int LargestLimit = 4096;
    private const ushort Opt = 41;

    private sealed record Pending(ushort Id, ushort OwnId, int SizeLimit, IPEndPoint Client, IPEndPoint Server);

    private readonly Lock _lock = new();
    private readonly Pending?[] _pending = new Pending?[Slots];
    private GuestChannel? _channel;
    private uint _next;

    /// <summary>An answer, the server it comes from, the client it is for. Raised by one thread at a time.</summary>
    public event Action<byte[], IPEndPoint, IPEndPoint>? Answered;

    /// <summary>Sends a query on; waits while the host takes no more, so that surplus datagrams are dropped by the kernel.</summary>
    /// <exception cref="IOException">The stream to the host is gone.</exception>
    public void Ask(ReadOnlySpan<byte> query, IPEndPoint client, IPEndPoint server)
    {
        if (query.Length is < HeaderSize or > 2048) return;
        var framed = new byte[2 + query.Length];
        BinaryPrimitives.WriteUInt16BigEndian(framed, (ushort)query.Length);
        query.CopyTo(framed.AsSpan(2));
        lock (_lock)
        {
            var own = (ushort)_next++;
            _pending[own % Slots] = new(BinaryPrimitives.ReadUInt16BigEndian(query), own, SizeLimit(query), client, server);
            BinaryPrimitives.WriteUInt16BigEndian(framed.AsSpan(2), own);
            Write_NeedsLock(framed);
        }
    }

    /// <summary>What the client can take: 512 bytes, or what its OPT record says (RFC 6891, section 6.2.3).</summary>
    internal static int SizeLimit(ReadOnlySpan<byte> query)
    {
        var at = SkipQuestion(query);
        // The OPT record of a query has the root as its name and follows the question at once.
        if (at < 0 || query.Length < at + 11 || query[at] != 0 || BinaryPrimitives.ReadUInt16BigEndian(query[(at + 1)..]) != Opt) return SmallestLimit;
        return Math.Clamp((int)BinaryPrimitives.ReadUInt16BigEndian(query[(at + 3)..]), SmallestLimit, LargestLimit);
    }

    /// <summary>An answer that is too long loses its records and says so; the client asks again over TCP.</summary>
    internal static byte[] Fit(byte[] answer, int limit)
    {
        if (answer.Length <= limit) return answer;
        var end = SkipQuestion(answer);
        var cut = end < 0 ? answer[..HeaderSize] : answer[..end];
        cut[2] |= 0x02;
        if (end < 0) cut.AsSpan(4, 2).Clear();
        cut.AsSpan(6, 6).Clear();
        return cut;
    }

    private static int SkipQuestion(ReadOnlySpan<byte> message)
    {
        if (message.Length < HeaderSize || BinaryPrimitives.ReadUInt16BigEndian(message[4..]) != 1) return -1;
        var at = HeaderSize;
        while (at < message.Length && message[at] is > 0 and < 64) at += message[at] + 1;
        return at + 5 <= message.Length && message[at] == 0 ? at + 5 : -1;
    }

    private void Write_NeedsLock(byte[] framed)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                if (_channel is null)
                {
                    _channel = connection.Open(ChannelKind.Dns, []);
                    _ = ReadAsync(_channel);
                }

                // This thread has nothing else to do, and the kernel queues datagrams meanwhile.
                _channel.WriteAsync(framed).AsTask().GetAwaiter().GetResult();
                return;
            }
            catch (ChannelResetException) when (attempt == 0)
            {
                // The host may end a channel for its own reasons; a new one serves as well.
                _channel = null;
            }
        }
    }

    private async Task ReadAsync(GuestChannel channel)
    {
        await using var owned = channel;
        try
        {
            var stream = channel.AsStream();
            var prefix = new byte[2];
            while (await stream.ReadAtLeastAsync(prefix, 2, throwOnEndOfStream: false) == 2)
            {
                var answer = new byte[BinaryPrimitives.ReadUInt16BigEndian(prefix)];
                await stream.ReadExactlyAsync(answer);
                if (answer.Length >= HeaderSize && Take(answer) is { } pending) Answered?.Invoke(Fit(answer, pending.SizeLimit), pending.Server, pending.Client);
            }
        }
        catch (IOException)
        {
            // Reset or gone; the next query opens another.
        }
    }

    private Pending? Take(byte[] answer)
    {
        var own = BinaryPrimitives.ReadUInt16BigEndian(answer);
        // Without the lock: a query that waits for credit holds it, and credit may come only after this answer is read.
        var pending = Interlocked.Exchange(ref _pending[own % Slots], null);
        if (pending is null || pending.OwnId != own) return null;
        BinaryPrimitives.WriteUInt16BigEndian(answer, pending.Id);
        return pending;
    }
}

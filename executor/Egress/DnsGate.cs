using System.Collections.Concurrent;
using System.Net;

namespace RunnerVm.Egress;

/// <summary>
/// Answers the look-ups of one machine: denies names by policy, answers what it knows, asks the host's resolvers for
/// the rest, and remembers which names led to which addresses.
/// </summary>
internal sealed class DnsGate(EgressPolicy policy, LearnedNames learned, EgressAudit audit, DnsServers servers, bool hostHasIPv6, TimeProvider time)
{
    private const ushort ClassInternet = 1;
    private const int MaximumCached = 1024;
    private static readonly TimeSpan LongestCached = TimeSpan.FromSeconds(30);

    private sealed record Cached(byte[] Message, long Timestamp, TimeSpan Life);

    private readonly ConcurrentDictionary<string, Cached> _cache = new();

    /// <summary>The answer to one message of the guest. What is no query at all gets a format error, or null when not even that is possible.</summary>
    public async Task<byte[]?> AnswerAsync(byte[] message, CancellationToken cancellationToken)
    {
        DnsQuery question;
        try
        {
            question = DnsMessage.ReadQuery(message);
        }
        catch (DnsFormatException e)
        {
            audit.Name("", EgressVerdict.Denied, $"not a DNS query: {e.Message}");
            return FormatError(message);
        }

        if (AnswerHere(message, question) is { } own) return own;
        var decision = policy.DecideName(question.Name);
        if (decision.Verdict != EgressVerdict.Allowed) audit.Name(question.Name, decision.Verdict, decision.Reason);
        if (!decision.MayPass)
        {
            // "No such name" ends a resolver's search at once; "refused" sends it to the next server.
            return DnsMessage.WriteReply(message, question, DnsCode.NameError);
        }

        return await ForwardAsync(message, question, cancellationToken);
    }

    private byte[]? AnswerHere(byte[] message, DnsQuery question)
    {
        if (question.Class != ClassInternet) return DnsMessage.WriteReply(message, question, DnsCode.Refused);
        if (!policy.IsOff && question.Name is "host" or "host.runnervm.internal")
        {
            return question.Type == DnsType.A
                ? DnsMessage.WriteReply(message, question, DnsCode.NoError, AddressPlan.HostAlias)
                : DnsMessage.WriteReply(message, question, DnsCode.NoError);
        }

        // An address nobody here can reach only makes clients wait. Addresses in service bindings would be unknown to
        // a closed policy, since only A and AAAA records are learnt from.
        var useless = (question.Type == DnsType.Aaaa && !hostHasIPv6)
            || (question.Type is DnsType.Https or DnsType.Svcb && (policy.IsClosedByDefault || !hostHasIPv6));
        return useless && policy.DecideName(question.Name).MayPass
            ? DnsMessage.WriteReply(message, question, DnsCode.NoError)
            : null;
    }

    private async Task<byte[]> ForwardAsync(byte[] message, DnsQuery question, CancellationToken cancellationToken)
    {
        var key = Convert.ToHexString(message.AsSpan(2));
        if (_cache.TryGetValue(key, out var cached))
        {
            if (time.GetElapsedTime(cached.Timestamp) < cached.Life) return WithId(cached.Message, message);
            _cache.TryRemove(key, out _);
        }

        if (await servers.AskAsync(message, question, cancellationToken) is not { } found)
        {
            audit.Name(question.Name, EgressVerdict.Failed, "no resolver of the host answered");
            return DnsMessage.WriteReply(message, question, DnsCode.ServerFailure);
        }

        var (names, addresses) = found.Answer.Resolve();
        foreach (var address in addresses) learned.Learn(address, names);
        if (found.Answer.Code == DnsCode.NameError) audit.Name(question.Name, EgressVerdict.Failed, "no such name");
        Keep(key, found.Message, found.Answer);
        return found.Message;
    }

    private void Keep(string key, byte[] message, DnsAnswer answer)
    {
        if (answer.Code is not (DnsCode.NoError or DnsCode.NameError) || message.Length > 4096) return;
        if (_cache.Count >= MaximumCached) _cache.Clear();
        var life = answer.Records.Count == 0 ? TimeSpan.FromSeconds(5) : TimeSpan.FromSeconds(answer.Records.Min(r => r.TimeToLive));
        if (life > LongestCached) life = LongestCached;
        _cache[key] = new([.. message], time.GetTimestamp(), life);
    }

    private static byte[] WithId(byte[] message, byte[] asked)
    {
        byte[] copy = [.. message];
        asked.AsSpan(0, 2).CopyTo(copy);
        return copy;
    }

    private static byte[]? FormatError(byte[] message)
    {
        if (message.Length < DnsMessage.HeaderSize || (message[2] & 0x80) != 0) return null;
        var reply = new byte[DnsMessage.HeaderSize];
        message.AsSpan(0, 2).CopyTo(reply);
        reply[2] = 0x80;
        reply[3] = (byte)DnsCode.FormatError;
        return reply;
    }
}

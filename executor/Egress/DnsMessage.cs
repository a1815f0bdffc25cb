using System.Buffers.Binary;
using System.Net;

namespace RunnerVm.Egress;

/// <summary>The record types this gateway looks into; all others pass unread.</summary>
internal static class DnsType
{
    public const ushort A = 1;
    public const ushort Cname = 5;
    public const ushort Aaaa = 28;
    public const ushort Opt = 41;

    /// <summary>Service bindings carry addresses beside the A and AAAA records (RFC 9460).</summary>
    public const ushort Svcb = 64;
    public const ushort Https = 65;
}

/// <summary>Response codes, RFC 1035 section 4.1.1.</summary>
internal enum DnsCode
{
    NoError = 0,
    FormatError = 1,
    ServerFailure = 2,
    NameError = 3,
    NotImplemented = 4,
    Refused = 5,
}

/// <param name="Id">The asker's number for it.</param>
/// <param name="Name">As <see cref="DnsReader.ReadName"/> writes it.</param>
/// <param name="QuestionEnd">Offset behind the question.</param>
internal sealed record DnsQuery(ushort Id, string Name, ushort Type, ushort Class, int QuestionEnd);

/// <summary>One record of the answer section.</summary>
/// <param name="Address">Of A and AAAA.</param>
/// <param name="Alias">Of CNAME: what <paramref name="Name"/> stands for.</param>
internal sealed record DnsRecord(string Name, ushort Type, uint TimeToLive, IPAddress? Address, string? Alias);

/// <param name="Truncated">It did not fit; ask over TCP.</param>
internal sealed record DnsAnswer(ushort Id, DnsCode Code, bool Truncated, DnsQuery Question, IReadOnlyList<DnsRecord> Records)
{
    /// <summary>The addresses the question's name leads to, through its aliases, and all names on the way.</summary>
    public (IReadOnlyList<string> Names, IReadOnlyList<IPAddress> Addresses) Resolve()
    {
        var names = new List<string> { Question.Name };
        foreach (var record in Records)
        {
            // Aliases come in order; a chain that jumps about is not followed, and one in a ring ends.
            if (record.Alias is { } alias && record.Name == names[^1] && !names.Contains(alias) && names.Count < 16) names.Add(alias);
        }

        return (names, [.. Records.Where(r => r.Address is not null && names.Contains(r.Name)).Select(r => r.Address!)]);
    }
}

/// <summary>Reading queries of the guest, answers of servers, and writing the few answers this gateway gives itself.</summary>
internal static class DnsMessage
{
    public const int HeaderSize = 12;

    /// <summary>Longest query that is passed on: one name and its options, far from the 64 KiB a message may have.</summary>
    public const int MaximumQuery = 2048;

    private const int MaximumRecords = 512;
    private const ushort ClassInternet = 1;

    /// <exception cref="DnsFormatException">It is not an ordinary query with one question.</exception>
    public static DnsQuery ReadQuery(ReadOnlySpan<byte> message)
    {
        if (message.Length > MaximumQuery) throw new DnsFormatException($"a query of {message.Length} bytes");
        var reader = new DnsReader(message);
        var id = reader.ReadUInt16();
        var flags = reader.ReadUInt16();
        if ((flags & 0xF800) != 0) throw new DnsFormatException("not an ordinary query");
        Expect(reader.ReadUInt16(), 1, "questions");
        Expect(reader.ReadUInt16(), 0, "answers");
        Expect(reader.ReadUInt16(), 0, "authorities");
        var additional = reader.ReadUInt16();
        if (additional > 2) throw new DnsFormatException($"{additional} additional records in a query");
        var query = ReadQuestion(ref reader, id);
        for (var i = 0; i < additional; i++) ReadRecord(ref reader);
        if (!reader.AtEnd) throw new DnsFormatException("bytes after the message");
        return query;
    }

    /// <summary>Reads the answer section; authorities and additional records are the asker's to read.</summary>
    /// <exception cref="DnsFormatException">It is not an answer.</exception>
    public static DnsAnswer ReadAnswer(ReadOnlySpan<byte> message)
    {
        var reader = new DnsReader(message);
        var id = reader.ReadUInt16();
        var flags = reader.ReadUInt16();
        if ((flags & 0xF800) != 0x8000) throw new DnsFormatException("not an answer to an ordinary query");
        Expect(reader.ReadUInt16(), 1, "questions");
        var answers = reader.ReadUInt16();
        if (answers > MaximumRecords) throw new DnsFormatException($"{answers} answers");
        reader.ReadUInt32();
        var question = ReadQuestion(ref reader, id);
        var truncated = (flags & 0x0200) != 0;
        var records = new List<DnsRecord>();
        for (var i = 0; i < answers && !(truncated && reader.AtEnd); i++) records.Add(ReadRecord(ref reader));
        return new(id, (DnsCode)(flags & 0xF), truncated, question, records);
    }

    /// <summary>An answer of ours to a query: its question, a code, and addresses for its name.</summary>
    /// <param name="query">The whole query as it came.</param>
    public static byte[] WriteReply(ReadOnlySpan<byte> query, DnsQuery question, DnsCode code, params ReadOnlySpan<IPAddress> addresses)
    {
        const int RecordPrefix = 12;
        var reply = new byte[question.QuestionEnd + addresses.ToArray().Sum(a => RecordPrefix + a.GetAddressBytes().Length)];
        query[..question.QuestionEnd].CopyTo(reply);
        // QR and RA, the asker's RD.
        reply[2] = (byte)(0x80 | (query[2] & 0x01));
        reply[3] = (byte)(0x80 | (int)code);
        reply.AsSpan(6, 6).Clear();
        reply[7] = (byte)addresses.Length;
        var at = question.QuestionEnd;
        foreach (var address in addresses)
        {
            var bytes = address.GetAddressBytes();
            var record = reply.AsSpan(at);
            BinaryPrimitives.WriteUInt16BigEndian(record, 0xC000 | HeaderSize);
            BinaryPrimitives.WriteUInt16BigEndian(record[2..], bytes.Length == 4 ? DnsType.A : DnsType.Aaaa);
            BinaryPrimitives.WriteUInt16BigEndian(record[4..], ClassInternet);
            BinaryPrimitives.WriteUInt32BigEndian(record[6..], 60);
            BinaryPrimitives.WriteUInt16BigEndian(record[10..], (ushort)bytes.Length);
            bytes.CopyTo(record[RecordPrefix..]);
            at += RecordPrefix + bytes.Length;
        }

        return reply;
    }

    private static DnsQuery ReadQuestion(ref DnsReader reader, ushort id)
    {
        var name = reader.ReadName(compressed: false);
        return new(id, name, reader.ReadUInt16(), reader.ReadUInt16(), reader.Position);
    }

    private static DnsRecord ReadRecord(ref DnsReader reader)
    {
        var name = reader.ReadName(compressed: true);
        var type = reader.ReadUInt16();
        var kind = reader.ReadUInt16();
        var timeToLive = reader.ReadUInt32();
        var length = reader.ReadUInt16();
        var start = reader.Position;
        IPAddress? address = null;
        string? alias = null;
        if (kind == ClassInternet && type == DnsType.A && length == 4) address = new(reader.ReadBytes(4));
        else if (kind == ClassInternet && type == DnsType.Aaaa && length == 16) address = new(reader.ReadBytes(16));
        else if (kind == ClassInternet && type == DnsType.Cname) alias = reader.ReadName(compressed: true);
        else reader.ReadBytes(length);
        if (reader.Position != start + length) throw new DnsFormatException("a record of another length than it says");
        return new(name, type, timeToLive, address, alias);
    }

    private static void Expect(ushort found, ushort wanted, string what)
    {
        if (found != wanted) throw new DnsFormatException($"{found} {what} where {wanted} belong");
    }
}

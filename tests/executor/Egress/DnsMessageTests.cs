using System.Buffers.Binary;
using System.Net;
using System.Text;
using FsCheck;
using FsCheck.Xunit;
using RunnerVm.Egress;
using Xunit;

namespace RunnerVm.Tests.Executor.Egress;

public sealed class DnsMessageTests
{
    internal static byte[] Query(string name, ushort type = DnsType.A, ushort id = 0x1234, bool edns = false)
    {
        var message = new MemoryStream();
        message.Write([(byte)(id >> 8), (byte)id, 1, 0, 0, 1, 0, 0, 0, 0, 0, (byte)(edns ? 1 : 0)]);
        WriteName(message, name);
        message.Write([(byte)(type >> 8), (byte)type, 0, 1]);
        if (edns) message.Write([0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0]);
        return message.ToArray();
    }

    internal static void WriteName(Stream target, string name)
    {
        foreach (var label in name.Split('.', StringSplitOptions.RemoveEmptyEntries))
        {
            target.WriteByte((byte)label.Length);
            target.Write(Encoding.Latin1.GetBytes(label));
        }

        target.WriteByte(0);
    }

    /// <summary>An answer as a server gives it; each record is a name, a type and its data.</summary>
    internal static byte[] Answer(byte[] query, DnsCode code, bool truncated, params (string Name, ushort Type, byte[] Data)[] records)
    {
        var end = DnsMessage.ReadQuery(query).QuestionEnd;
        var message = new MemoryStream();
        message.Write([query[0], query[1], (byte)(0x81 | (truncated ? 2 : 0)), (byte)(0x80 | (int)code), 0, 1, (byte)(records.Length >> 8), (byte)records.Length, 0, 0, 0, 0]);
        message.Write(query.AsSpan(12, end - 12));
        foreach (var (name, type, data) in records)
        {
            WriteName(message, name);
            message.Write([(byte)(type >> 8), (byte)type, 0, 1, 0, 0, 0, 60, (byte)(data.Length >> 8), (byte)data.Length]);
            message.Write(data);
        }

        return message.ToArray();
    }

    internal static byte[] NameBytes(string name)
    {
        var target = new MemoryStream();
        WriteName(target, name);
        return target.ToArray();
    }

    [Theory]
    [InlineData("Example.COM", "example.com")]
    [InlineData("_sip._tcp.x-1.example", "_sip._tcp.x-1.example")]
    [InlineData("", "")]
    [InlineData("a\nb.example", "a\\010b.example")]
    [InlineData("\u001b[31m.example", "\\027\\09131m.example")]
    public void A_query_is_read_back_with_a_name_that_is_safe_to_print(string name, string read)
    {
        var query = DnsMessage.ReadQuery(Query(name, DnsType.Aaaa, edns: true));
        Assert.Equal((0x1234, read, DnsType.Aaaa, 1), (query.Id, query.Name, query.Type, query.Class));
    }

    [Fact]
    public void A_dot_within_a_label_does_not_look_like_a_border()
    {
        var message = new List<byte>(Query(""));
        message.RemoveAt(12);
        message.InsertRange(12, [(byte)10, .. "x.evil.com"u8, 0]);
        Assert.Equal("x\\046evil\\046com", DnsMessage.ReadQuery(message.ToArray()).Name);
    }

    [Fact]
    public void What_is_no_ordinary_query_is_refused()
    {
        byte[] Changed(int at, byte value)
        {
            var query = Query("a.example");
            query[at] = value;
            return query;
        }

        Assert.Throws<DnsFormatException>(() => DnsMessage.ReadQuery(Changed(2, 0x81)));
        Assert.Throws<DnsFormatException>(() => DnsMessage.ReadQuery(Changed(2, 0x28)));
        Assert.Throws<DnsFormatException>(() => DnsMessage.ReadQuery(Changed(5, 0)));
        Assert.Throws<DnsFormatException>(() => DnsMessage.ReadQuery(Changed(5, 2)));
        Assert.Throws<DnsFormatException>(() => DnsMessage.ReadQuery(Changed(7, 1)));
        Assert.Throws<DnsFormatException>(() => DnsMessage.ReadQuery(Changed(12, 0xC0)));
        Assert.Throws<DnsFormatException>(() => DnsMessage.ReadQuery(Changed(12, 0x40)));
        Assert.Throws<DnsFormatException>(() => DnsMessage.ReadQuery([.. Query("a.example"), 0]));
        Assert.Throws<DnsFormatException>(() => DnsMessage.ReadQuery(Query("a.example").AsSpan()[..^1]));
        Assert.Throws<DnsFormatException>(() => DnsMessage.ReadQuery(new byte[3000]));
        Assert.Throws<DnsFormatException>(() => DnsMessage.ReadQuery(Query(string.Join('.', Enumerable.Repeat(new string('a', 63), 4)))));
    }

    [Fact]
    public void Pointers_lead_backwards_only_so_a_ring_ends()
    {
        var query = Query("a.example");
        var end = DnsMessage.ReadQuery(query).QuestionEnd;
        byte[] With(ushort pointer)
        {
            byte[] answer = [.. Answer(query, DnsCode.NoError, false), 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 203, 0, 113, 9];
            answer[7] = 1;
            BinaryPrimitives.WriteUInt16BigEndian(answer.AsSpan(end), pointer);
            return answer;
        }

        Assert.Equal("a.example", Assert.Single(DnsMessage.ReadAnswer(With(0xC00C)).Records).Name);
        Assert.Throws<DnsFormatException>(() => DnsMessage.ReadAnswer(With((ushort)(0xC000 | end))));
        Assert.Throws<DnsFormatException>(() => DnsMessage.ReadAnswer(With(0xFFFF)));
    }

    [Fact]
    public void Addresses_are_followed_through_aliases_and_strangers_are_left_out()
    {
        var query = Query("www.example");
        var answer = DnsMessage.ReadAnswer(Answer(query, DnsCode.NoError, false,
            ("www.example", DnsType.Cname, NameBytes("cdn.example")),
            ("cdn.example", DnsType.Cname, NameBytes("node.example")),
            ("node.example", DnsType.A, [203, 0, 113, 9]),
            ("stranger.example", DnsType.A, [203, 0, 113, 10]),
            ("node.example", DnsType.Aaaa, IPAddress.Parse("2001:db8::9").GetAddressBytes())));
        var (names, addresses) = answer.Resolve();
        Assert.Equal(["www.example", "cdn.example", "node.example"], names);
        Assert.Equal([IPAddress.Parse("203.0.113.9"), IPAddress.Parse("2001:db8::9")], addresses);
    }

    [Fact]
    public void A_ring_of_aliases_ends()
    {
        var answer = DnsMessage.ReadAnswer(Answer(Query("a.example"), DnsCode.NoError, false,
            ("a.example", DnsType.Cname, NameBytes("b.example")), ("b.example", DnsType.Cname, NameBytes("a.example"))));
        Assert.Equal(["a.example", "b.example"], answer.Resolve().Names);
    }

    [Fact]
    public void Replies_of_ours_are_valid_answers()
    {
        var query = Query("Host", edns: true);
        var reply = DnsMessage.WriteReply(query, DnsMessage.ReadQuery(query), DnsCode.NoError, IPAddress.Parse("198.18.0.1"), IPAddress.Parse("2001:db8::9"));
        var answer = DnsMessage.ReadAnswer(reply);
        Assert.Equal((0x1234, DnsCode.NoError, false, "host"), (answer.Id, answer.Code, answer.Truncated, answer.Question.Name));
        Assert.Equal(2, answer.Resolve().Addresses.Count);
        Assert.Equal(DnsCode.NameError, DnsMessage.ReadAnswer(DnsMessage.WriteReply(query, DnsMessage.ReadQuery(query), DnsCode.NameError)).Code);
    }

    [Property(MaxTest = 2000)]
    public bool Random_bytes_are_read_or_refused_and_nothing_else(byte[] bytes) =>
        Survives(bytes) && Survives([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, .. bytes]) && Survives([0, 1, 0x81, 0, 0, 1, 0, 2, 0, 0, 0, 0, .. bytes]);

    [Fact]
    public void A_damaged_message_is_read_or_refused_and_nothing_else()
    {
        var good = Answer(Query("www.example"), DnsCode.NoError, false,
            ("www.example", DnsType.Cname, NameBytes("cdn.example")), ("cdn.example", DnsType.A, [203, 0, 113, 9]));
        var random = new Random(7);
        for (var i = 0; i < 20_000; i++)
        {
            byte[] damaged = [.. good];
            for (var n = random.Next(1, 5); n > 0; n--) damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            Assert.True(Survives(damaged.AsSpan(0, random.Next(damaged.Length + 1)).ToArray()));
        }
    }

    [Property]
    public bool Any_name_of_host_letters_comes_back(NonEmptyArray<byte> seeds)
    {
        const string letters = "abcXYZ019-_";
        var labels = seeds.Get.Take(8).Select(s => string.Concat(Enumerable.Range(0, (s % 20) + 1).Select(i => letters[(s + (i * 7)) % letters.Length])));
        var name = string.Join('.', labels);
        return string.Equals(DnsMessage.ReadQuery(Query(name)).Name, name.ToLowerInvariant(), StringComparison.Ordinal);
    }

    private static bool Survives(byte[] bytes)
    {
        foreach (var read in (Action[])[() => DnsMessage.ReadQuery(bytes), () => DnsMessage.ReadAnswer(bytes).Resolve()])
        {
            try
            {
                read();
            }
            catch (DnsFormatException)
            {
            }
        }

        return true;
    }
}

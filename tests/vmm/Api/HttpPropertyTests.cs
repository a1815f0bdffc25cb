using System.Text;
using FsCheck;
using FsCheck.Fluent;
using RunnerVm.Vmm.Monitor.Api.Http;
using Xunit;

namespace RunnerVm.Tests.Vmm.Api;

/// <summary>The reader of requests, fed with anything: a request, a wish for more, or a refusal, and never anything else.</summary>
public sealed class HttpPropertyTests
{
    private const int MostBody = 1000;

    private static readonly string[] Words =
    [
        "GET", "PUT", "PATCH", "POST", "DELETE", " ", "  ", "/", "/vm", "/drives/a", "http://localhost/boot", "*", "HTTP/1.1", "HTTP/1.0", "HTTP/2", "\r\n", "\r\n\r\n", "\r", "\n", ":", ": ",
        "Content-Length", "content-length", "Content-Length: 5", "Transfer-Encoding: chunked", "Transfer-Encoding: identity", "Expect: 100-continue", "Expect: x", "Connection: close", "Host: a",
        "0", "5", "1000", "1001", "-1", "99999999999999999999", "0x5", "\0", "\t", "\u00e9", "\u007f", "hello",
    ];

    [Fact]
    public void Pieces_of_any_size_make_the_same_requests_as_the_whole()
    {
        int requests = 0, splits = 0;
        Prop.ForAll(Arb.From(Gen.Choose(int.MinValue, int.MaxValue)), seed =>
        {
            var random = new Random(seed);
            var bodies = Enumerable.Range(0, random.Next(1, 5)).Select(_ => random.Next(3) == 0 ? null : new string((char)random.Next(32, 127), random.Next(0, 200))).ToArray();
            var bytes = bodies.SelectMany(static (body, i) => ApiClient.Request(body is null ? "GET" : "PUT", $"/drives/d{i}", body, "X-Any: thing")).ToArray();
            var whole = ReadAll(bytes, [bytes.Length]);
            if (whole.Count != bodies.Length) return false;
            requests += whole.Count;
            // At every single byte, and at random ones.
            for (var at = 1; at < bytes.Length; at += random.Next(1, 5), splits++)
                if (!ReadAll(bytes, [at, bytes.Length]).SequenceEqual(whole)) return false;
            var many = Enumerable.Range(0, 20).Select(_ => random.Next(1, bytes.Length)).Append(bytes.Length).Order().ToArray();
            return ReadAll(bytes, many).SequenceEqual(whole);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(300));
        TestContext.Current.TestOutputHelper?.WriteLine($"{requests} requests, {splits} splits");
        Assert.True(splits > 10_000);
    }

    [Fact]
    public void Garbage_is_a_request_or_incomplete_or_refused()
    {
        int inputs = 0, complete = 0, more = 0, refused = 0;
        Prop.ForAll(Arb.From(Gen.Choose(int.MinValue, int.MaxValue)), seed =>
        {
            inputs++;
            var bytes = Garbage(new Random(seed));
            try
            {
                var reader = new HttpRequestReader(bytes, MostBody);
                var state = reader.TryRead(out var request);
                if (state == HttpReadState.Complete)
                {
                    complete++;
                    return reader.Consumed <= bytes.Length && reader.Consumed > 0 && request.Path.StartsWith('/') && request.Body.Length <= MostBody;
                }

                more++;
                return reader.Consumed > bytes.Length && reader.Consumed <= HttpRequestReader.MostHead + MostBody;
            }
            catch (HttpRefusal)
            {
                refused++;
                return true;
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(200_000));
        TestContext.Current.TestOutputHelper?.WriteLine($"{inputs} inputs: {complete} requests, {more} incomplete, {refused} refused");
        Assert.True(complete > 100 && more > 100 && refused > 100);
    }

    [Fact]
    public void What_was_refused_once_is_refused_however_it_goes_on()
    {
        var inputs = 0;
        Prop.ForAll(Arb.From(Gen.Choose(int.MinValue, int.MaxValue)), seed =>
        {
            var random = new Random(seed);
            var bytes = Garbage(random);
            if (!IsRefused(bytes)) return true;
            inputs++;
            return IsRefused([.. bytes, .. Garbage(random)]);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(50_000));
        TestContext.Current.TestOutputHelper?.WriteLine($"{inputs} refused beginnings");
        Assert.True(inputs > 1000);
    }

    private static bool IsRefused(byte[] bytes)
    {
        try
        {
            new HttpRequestReader(bytes, MostBody).TryRead(out _);
            return false;
        }
        catch (HttpRefusal)
        {
            return true;
        }
    }

    /// <summary>Sentences out of the grammar's words, changed at a few places; or noise; or more than there is room for.</summary>
    private static byte[] Garbage(Random random)
    {
        if (random.Next(50) == 0) return Encoding.ASCII.GetBytes("GET /" + new string('a', 9000));
        var text = new StringBuilder();
        if (random.Next(2) == 0) text.Append(random.Next(2) == 0 ? "PUT /drives/a HTTP/1.1\r\n" : "GET / HTTP/1.1\r\n");
        if (random.Next(4) == 0) text.Append("Content-Length: ").Append(random.Next(0, 1200)).Append("\r\n\r\n").Append('x', random.Next(0, 1200));
        for (var i = random.Next(0, 30); i > 0; i--) text.Append(Words[random.Next(Words.Length)]);
        if (random.Next(2) == 0) text.Append("\r\n\r\n");
        var bytes = Encoding.UTF8.GetBytes(text.ToString());
        for (var i = random.Next(0, 4); i > 0 && bytes.Length > 0; i--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
        return bytes;
    }

    private static List<(RequestMethod, string, string)> ReadAll(byte[] bytes, int[] arrivals)
    {
        var requests = new List<(RequestMethod, string, string)>();
        var start = 0;
        foreach (var end in arrivals)
        {
            while (start < end)
            {
                var reader = new HttpRequestReader(bytes.AsSpan(start, end - start), MostBody);
                if (reader.TryRead(out var request) != HttpReadState.Complete) break;
                requests.Add((request.Method, request.Path, Encoding.UTF8.GetString(request.Body)));
                start += reader.Consumed;
            }
        }

        return requests;
    }
}

using System.Text;
using RunnerVm.Vmm.Monitor.Api.Http;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;
using Xunit;

namespace RunnerVm.Tests.Vmm.Api;

/// <summary>What goes over the socket, beside what is said.</summary>
public sealed class HttpServerTests
{
    [Theory]
    [InlineData("POST / HTTP/1.1\r\n\r\n", "Unsupported HTTP method. Use GET, PUT, PATCH or DELETE.")]
    [InlineData("GET / HTTP/2.0\r\n\r\n", "Unsupported HTTP version. Use HTTP/1.1.")]
    [InlineData("GET /\r\n\r\n", "The first line is not 'METHOD /path HTTP/1.1'. Send HTTP/1.1.")]
    [InlineData("GET version HTTP/1.1\r\n\r\n", "The request target must be a path that begins with a slash, in UTF-8 and without blanks.")]
    [InlineData("GET / HTTP/1.1\r\nno colon\r\n\r\n", "A header line is not 'Name: value' in printable characters on one line.")]
    [InlineData("GET / HTTP/1.1\r\nName : value\r\n\r\n", "A header line is not 'Name: value' in printable characters on one line.")]
    [InlineData("GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", "A header line is not 'Name: value' in printable characters on one line.")]
    [InlineData("PUT /vsock HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding is not supported: send the whole body at once, with its Content-Length.")]
    [InlineData("PUT /vsock HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "Content-Length must be there once, a whole number in digits.")]
    [InlineData("PUT /vsock HTTP/1.1\r\nContent-Length: +2\r\n\r\n{}", "Content-Length must be there once, a whole number in digits.")]
    [InlineData("PUT /vsock HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", "Content-Length must be there once, a whole number in digits.")]
    [InlineData("PUT /vsock HTTP/1.1\r\nContent-Length: 51201\r\n\r\n", "Request payload with size 51201 is larger than the limit of 51200 allowed by server. Send less, or start with a higher --http-api-max-payload-size.")]
    [InlineData("PUT /vsock HTTP/1.1\r\nExpect: nothing\r\n\r\n", "The only expectation known here is '100-continue'.")]
    public void What_is_no_request_of_ours_is_refused_with_what_to_do_and_ends_the_connection(string request, string sentence)
    {
        using var api = new ApiUnderTest();
        using var client = api.Connect();
        client.Send(Encoding.ASCII.GetBytes(request));
        var answer = client.Receive();
        Assert.Equal((400, sentence), (answer.Status, answer.Fault));
        Assert.Contains("Connection: close", answer.Headers);
        Assert.True(client.IsOver());
        Assert.Equal(200, api.Ask("GET", "/").Status);
    }

    [Fact]
    public void A_body_that_is_not_UTF_8_is_refused()
    {
        using var api = new ApiUnderTest();
        using var client = api.Connect();
        client.Send([.. "PUT /actions HTTP/1.1\r\nContent-Length: 4\r\n\r\n"u8, (byte)'"', 0xff, 0xfe, (byte)'"']);
        Assert.Equal("Cannot read the body of PUT /actions: it is not UTF-8. Send JSON in UTF-8.", client.Receive().Fault);
    }

    [Fact]
    public void A_path_that_is_not_UTF_8_is_refused()
    {
        using var api = new ApiUnderTest();
        using var client = api.Connect();
        client.Send([.. "GET /"u8, 0xff, .. " HTTP/1.1\r\n\r\n"u8]);
        Assert.StartsWith("The request target must be a path", client.Receive().Fault, StringComparison.Ordinal);
    }

    [Fact]
    public void Heads_without_end_are_refused_at_8_KiB()
    {
        using var api = new ApiUnderTest();
        using var client = api.Connect();
        client.Send(Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nA: " + new string('a', 9000)));
        Assert.Equal("The request line and headers are longer than 8192 bytes. Send fewer headers.", client.Receive().Fault);
    }

    [Fact]
    public void The_largest_body_is_taken_and_metadata_beyond_the_limit_is_too_large()
    {
        using var api = new ApiUnderTest(mostPayload: 2000);
        Assert.Equal(204, api.Ask("PUT", "/mmds", $$"""{"a":"{{new string('x', 1992)}}"}""").Status);
        // Each patch is small; together they are not.
        var answer = api.Ask("PATCH", "/mmds", $$"""{"b":"{{new string('x', 1000)}}"}""");
        Assert.Equal(413, answer.Status);
        Assert.Equal("Cannot take PATCH /mmds: the metadata would have 3007 bytes of JSON and may have 2000. Send less, or start with a higher --mmds-size-limit.", answer.Fault);
        Assert.Equal(2000, api.Ask("GET", "/mmds").Body.Length);
    }

    [Fact]
    public void Requests_sent_together_are_answered_in_their_order()
    {
        using var api = new ApiUnderTest();
        using var client = api.Connect();
        client.Send([.. ApiClient.Request("GET", "/version"), .. ApiClient.Request("GET", "/nothing"), .. ApiClient.Request("PUT", "/entropy", "{}"), .. ApiClient.Request("GET", "/balloon")]);
        Assert.Equal([200, 400, 204, 400], Enumerable.Range(0, 4).Select(_ => client.Receive().Status));
    }

    [Fact]
    public void A_client_that_asks_and_never_reads_holds_up_only_itself()
    {
        using var api = new ApiUnderTest();
        using var greedy = api.Connect();
        var request = ApiClient.Request("GET", "/vm/config");
        // Far more answers than the socket's and our own buffers have room for; then a send would wait for ever.
        var sender = new Thread(() =>
        {
            try
            {
                for (var i = 0; i < 20_000; i++) greedy.Send(request);
            }
            catch (Exception e) when (e is System.Net.Sockets.SocketException or ObjectDisposedException)
            {
                // The test is over.
            }
        }) { IsBackground = true };
        sender.Start();
        for (var i = 0; i < 50; i++) Assert.Equal(200, api.Ask("GET", "/version").Status);
        Assert.Equal(200, greedy.Receive().Status);
    }

    [Fact]
    public void A_client_that_waits_to_be_told_is_told_to_go_on()
    {
        using var api = new ApiUnderTest();
        using var client = api.Connect();
        var request = ApiClient.Request("PUT", "/entropy", "{}", "Expect: 100-continue");
        client.Send(request.AsSpan(0, request.Length - 2));
        Assert.Equal(100, client.Receive().Status);
        client.Send(request.AsSpan(request.Length - 2));
        Assert.Equal(204, client.Receive().Status);
    }

    [Fact]
    public void A_client_of_HTTP_1_0_gets_its_answer_and_the_end()
    {
        using var api = new ApiUnderTest();
        using var client = api.Connect();
        client.Send("GET /version HTTP/1.0\r\n\r\n"u8);
        Assert.Equal(200, client.Receive().Status);
        Assert.True(client.IsOver());
    }

    [Fact]
    public void The_eleventh_connection_is_told_so_and_the_next_one_after_a_goodbye_is_served()
    {
        using var api = new ApiUnderTest();
        var clients = Enumerable.Range(0, HttpServer.MostConnections).Select(_ => api.Connect()).ToList();
        foreach (var client in clients) Assert.Equal(200, client.Ask("GET", "/").Status);
        using (var eleventh = api.Connect())
        {
            var answer = eleventh.Receive();
            Assert.Equal((503, "Too many open connections: 10 are open. Close one first."), (answer.Status, answer.Fault));
        }

        foreach (var client in clients) client.Dispose();
        // The server learns of each goodbye when its turn comes.
        Assert.True(SpinWait.SpinUntil(() => api.Ask("GET", "/").Status == 200, TimeSpan.FromSeconds(60)), "No connection became free.");
    }

    [Fact]
    public void A_connection_holds_no_more_than_its_bound_whatever_comes()
    {
        const int mostBody = 10_000;
        var (ours, theirs) = UnixSocket.Pair();
        using (theirs)
        using (var connection = new HttpConnection(ours, mostBody))
        {
            var answers = 0;
            HttpResponse Handle(scoped in HttpRequest request)
            {
                answers++;
                return HttpResponse.Json(static writer => writer.WriteStringValue(new string('x', 3000)));
            }

            var random = new Random(7);
            long sent = 0;
            byte[] left = [];
            for (var i = 0; i < 20_000; i++)
            {
                if (left.Length == 0) left = ApiClient.Request("PUT", "/a", new string('b', random.Next(0, mostBody)));
                var count = (int)Math.Max(0, UnixSocket.Write(theirs, left.AsSpan(0, random.Next(1, left.Length + 1))));
                sent += count;
                left = left[count..];
                connection.Serve(Handle);
                Assert.False(connection.Finished);
                Assert.InRange(connection.Held, 0, 2 * (HttpRequestReader.MostHead + mostBody + (64 << 10) + 4096));
            }

            TestContext.Current.TestOutputHelper?.WriteLine($"{sent} bytes came, {answers} requests, {connection.Held} bytes held");
            Assert.True(answers > 20 && sent > 20 * mostBody / 2, "It stopped early.");
        }
    }

    [Fact]
    public void When_the_machine_has_ended_who_still_asks_is_told()
    {
        using var api = new ApiUnderTest();
        using var client = api.Connect();
        Assert.Equal(200, client.Ask("GET", "/").Status);
        api.EndLoop();
        client.Send(ApiClient.Request("GET", "/"));
        api.CloseDoor();
        var answer = client.Receive();
        Assert.Equal((503, "The machine has ended."), (answer.Status, answer.Fault));
    }

    [Fact]
    public void A_socket_that_is_there_already_is_left_alone()
    {
        using var api = new ApiUnderTest();
        var problem = Assert.Throws<LinuxException>(() => new HttpServer(api.SocketPath, 1000));
        Assert.Equal($"Cannot open the API socket {api.SocketPath}: address already in use (EADDRINUSE). Remove the file if no other process listens there, or give another --api-sock.", problem.Message);
        Assert.Equal(200, api.Ask("GET", "/").Status);
        Assert.Contains("give a shorter --api-sock", Assert.Throws<LinuxException>(() => new HttpServer(api.At(new string('x', 108)), 1000)).Message, StringComparison.Ordinal);
        Assert.Contains("Make its folder first", Assert.Throws<LinuxException>(() => new HttpServer(api.At("no/where"), 1000)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Metadata_is_not_in_the_log_and_other_bodies_are()
    {
        using var api = new ApiUnderTest();
        api.Ask("PUT", "/mmds", """{"password":"secret"}""");
        api.Ask("PUT", "/entropy", """{"rate_limiter":null}""");
        Assert.DoesNotContain("secret", api.Log, StringComparison.Ordinal);
        Assert.Contains("The API server received a PUT /mmds request.", api.Log, StringComparison.Ordinal);
        Assert.Contains("""received a PUT /entropy request with body {"rate_limiter":null}.""", api.Log, StringComparison.Ordinal);
    }
}

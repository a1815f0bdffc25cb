namespace RunnerVm.Vmm.Monitor.Api.Http;

/// <summary>What came is no request of ours. The sentence is the answer, and the connection ends: where the next request would begin is not known.</summary>
internal sealed class HttpRefusal(string message) : Exception(message);

/// <summary>One throw for each way a request can be wrong, so that the reader reads like the grammar.</summary>
internal static class Malformed
{
    public static HttpRefusal HeadTooLong(int most) => new($"The request line and headers are longer than {most} bytes. Send fewer headers.");

    public static HttpRefusal RequestLine() => new("The first line is not 'METHOD /path HTTP/1.1'. Send HTTP/1.1.");

    public static HttpRefusal Method() => new("Unsupported HTTP method. Use GET, PUT, PATCH or DELETE.");

    public static HttpRefusal Version() => new("Unsupported HTTP version. Use HTTP/1.1.");

    public static HttpRefusal Target() => new("The request target must be a path that begins with a slash, in UTF-8 and without blanks.");

    public static HttpRefusal Header() => new("A header line is not 'Name: value' in printable characters on one line.");

    public static HttpRefusal ContentLength() => new("Content-Length must be there once, a whole number in digits.");

    public static HttpRefusal TransferEncoding() => new("Transfer-Encoding is not supported: send the whole body at once, with its Content-Length.");

    public static HttpRefusal Expectation() => new("The only expectation known here is '100-continue'.");

    public static HttpRefusal BodyTooLong(long length, int most) => new(
        $"Request payload with size {length} is larger than the limit of {most} allowed by server. Send less, or start with a higher --http-api-max-payload-size.");
}

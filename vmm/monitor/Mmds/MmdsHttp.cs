using System.Buffers.Text;
using System.Text;
using System.Text.Unicode;

namespace RunnerVm.Vmm.Monitor.Mmds;

/// <summary>An answer, and what to do with the connection.</summary>
/// <param name="Bytes">Status line, headers, body.</param>
/// <param name="Consumed">Bytes the request took.</param>
/// <param name="Last">The connection ends with it.</param>
internal readonly record struct MmdsReply(byte[] Bytes, int Consumed, bool Last);

/// <summary>
/// The metadata service's HTTP/1.1 (RFC 9112): GET by path, and PUT for a token, as Firecracker answers them. Version 2 wants
/// a token with each GET; version 1 only counts those that lack one.
/// </summary>
internal sealed class MmdsHttp(MmdsDataStore store, MmdsCounters counters)
{
    private const string TokenPath = "/latest/api/token";
    private static readonly string[] TokenHeaders = ["X-metadata-token", "X-aws-ec2-metadata-token"];
    private static readonly string[] LifetimeHeaders = ["X-metadata-token-ttl-seconds", "X-aws-ec2-metadata-token-ttl-seconds"];

    /// <param name="received">From the beginning of a request; what follows it is left alone.</param>
    /// <returns>False when the request is not complete yet and still may be.</returns>
    public bool TryAnswer(ReadOnlySpan<byte> received, out MmdsReply reply)
    {
        reply = default;
        var end = received.IndexOf("\r\n\r\n"u8);
        if (end < 0)
        {
            if (received.Length < TcpConnection.ReceiveBytes) return false;
            reply = Refuse(received.Length, "The request's head is too long.");
            return true;
        }

        var head = received[..end];
        if (!TryReadLine(head, out var method, out var path, out var oldVersion) || !TryReadLength(head, out var length))
        {
            reply = Refuse(received.Length, "This is no HTTP/1.1 request.");
            return true;
        }

        var consumed = end + 4 + (long)length;
        if (consumed > TcpConnection.ReceiveBytes) reply = Refuse(received.Length, "The request's body is too long.");
        else if (consumed > received.Length) return false;
        else reply = new(Answer(head, method, path), (int)consumed, oldVersion || Is(Header(head, "Connection"), "close"));
        return true;
    }

    private static MmdsReply Refuse(int consumed, string why) => new(Response("400 Bad Request", why, "Connection: close\r\n"), consumed, Last: true);

    private byte[] Answer(ReadOnlySpan<byte> head, ReadOnlySpan<byte> method, string path) =>
        method.SequenceEqual("GET"u8) ? Get(head, path)
        : method.SequenceEqual("PUT"u8) ? Put(head, path)
        : Response("405 Method Not Allowed", "Not allowed HTTP method.", "Allow: GET, PUT\r\n");

    private byte[] Get(ReadOnlySpan<byte> head, string path)
    {
        var token = Header(head, TokenHeaders);
        if (token.IsEmpty) counters.MissingTokens++;
        else if (!IsValid(token)) counters.InvalidTokens++;
        if (store.Version == MmdsVersion.V2)
        {
            if (token.IsEmpty)
                return Response("401 Unauthorized", "No MMDS token provided. Use `X-metadata-token` or `X-aws-ec2-metadata-token` header to specify the session token.");
            if (!IsValid(token)) return Response("401 Unauthorized", "MMDS token not valid.");
        }

        var json = Is(Header(head, "Accept"), "application/json");
        return store.Get(path, json ? MmdsFormat.Json : MmdsFormat.Imds, out var content) switch
        {
            MmdsAnswer.Found => Response("200 OK", content, json: json),
            MmdsAnswer.NotFound => Response("404 Not Found", $"Resource not found: {path}."),
            _ => Response("501 Not Implemented", "Cannot retrieve value. The value has an unsupported type."),
        };
    }

    private byte[] Put(ReadOnlySpan<byte> head, string path)
    {
        // Who passes requests on for others must not get them a token.
        if (!Header(head, "X-Forwarded-For").IsEmpty) return Response("400 Bad Request", "Invalid header: X-Forwarded-For is not allowed here.");
        if (Compact(path) != TokenPath) return Response("404 Not Found", $"Resource not found: {path}.");
        foreach (var name in LifetimeHeaders)
        {
            var lifetime = Header(head, name);
            if (lifetime.IsEmpty) continue;
            return Utf8Parser.TryParse(lifetime, out uint seconds, out var used) && used == lifetime.Length && store.Tokens.Generate(seconds) is { } token
                ? Response("200 OK", token, $"{name}: {seconds}\r\n")
                : Response("400 Bad Request", $"Invalid time to live in {name}: give {MmdsTokens.ShortestSeconds} to {MmdsTokens.LongestSeconds} seconds.");
        }

        return Response(
            "400 Bad Request",
            "Token time to live value not found. Use `X-metadata-token-ttl-seconds` or `X-aws-ec2-metadata-token-ttl-seconds` header to specify the token's lifetime.");
    }

    private bool IsValid(ReadOnlySpan<byte> token) => store.Tokens.IsValid(Encoding.Latin1.GetString(token));

    private static byte[] Response(string status, string body, string headers = "", bool json = false) => Encoding.UTF8.GetBytes(
        $"HTTP/1.1 {status}\r\nServer: RunnerVm MMDS\r\nContent-Type: {(json ? "application/json" : "text/plain")}\r\n{headers}"
        + $"Content-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}");

    private static bool TryReadLine(ReadOnlySpan<byte> head, out ReadOnlySpan<byte> method, out string path, out bool oldVersion)
    {
        method = default;
        (path, oldVersion) = ("", false);
        var end = head.IndexOf("\r\n"u8);
        var line = end < 0 ? head : head[..end];
        var first = line.IndexOf((byte)' ');
        var last = line.LastIndexOf((byte)' ');
        if (first <= 0 || last <= first + 1) return false;
        method = line[..first];
        var target = line[(first + 1)..last];
        oldVersion = line[(last + 1)..].SequenceEqual("HTTP/1.0"u8);
        if (!oldVersion && !line[(last + 1)..].SequenceEqual("HTTP/1.1"u8)) return false;
        if (target.StartsWith("http://"u8))
        {
            var slash = target[7..].IndexOf((byte)'/');
            target = slash < 0 ? "/"u8 : target[(7 + slash)..];
        }

        if (target.IsEmpty || target[0] != '/' || !Utf8.IsValid(target) || target.ContainsAnyInRange((byte)0, (byte)0x20)) return false;
        path = Encoding.UTF8.GetString(target);
        return true;
    }

    /// <summary>A body is read and not looked at.</summary>
    private static bool TryReadLength(ReadOnlySpan<byte> head, out uint length)
    {
        length = 0;
        if (!Header(head, "Transfer-Encoding").IsEmpty) return false;
        var value = Header(head, "Content-Length");
        return value.IsEmpty || (Utf8Parser.TryParse(value, out length, out var used) && used == value.Length);
    }

    /// <summary>The value of the first header that has one of the names; empty when none has.</summary>
    private static ReadOnlySpan<byte> Header(ReadOnlySpan<byte> head, params ReadOnlySpan<string> names)
    {
        foreach (var range in head.Split("\r\n"u8))
        {
            var line = head[range];
            var colon = line.IndexOf((byte)':');
            if (colon <= 0) continue;
            foreach (var name in names)
            {
                if (Ascii.EqualsIgnoreCase(line[..colon], name)) return line[(colon + 1)..].Trim(" \t"u8);
            }
        }

        return default;
    }

    private static bool Is(ReadOnlySpan<byte> value, string expected) => Ascii.EqualsIgnoreCase(value, expected);

    private static string Compact(string path)
    {
        while (path.Contains("//", StringComparison.Ordinal)) path = path.Replace("//", "/", StringComparison.Ordinal);
        return path;
    }
}

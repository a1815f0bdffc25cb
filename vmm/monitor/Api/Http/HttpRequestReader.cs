using System.Buffers.Text;
using System.Text;
using System.Text.Unicode;

namespace RunnerVm.Vmm.Monitor.Api.Http;

internal enum HttpReadState
{
    /// <summary>The request goes on behind what is in the buffer.</summary>
    NeedsMore,

    /// <summary>So does its body, and the client waits to be told that it may send it.</summary>
    NeedsContinue,

    Complete,
}

/// <summary>
/// Reads one request of HTTP/1.1 (RFC 9112) from the start of what a connection has received: stateless, so it does not
/// matter in which pieces the bytes came. Strict where leniency could make two readers see two requests.
/// </summary>
internal ref struct HttpRequestReader
{
    /// <summary>Request line and headers together.</summary>
    public const int MostHead = 8192;

    private readonly ReadOnlySpan<byte> _buffer;
    private readonly int _mostBody;
    private int _position;
    private long _length;
    private bool _lengthSeen;
    private bool _expectsContinue;
    private bool _close;

    public HttpRequestReader(ReadOnlySpan<byte> buffer, int mostBody)
    {
        _buffer = buffer;
        _mostBody = mostBody;
    }

    /// <summary>How many bytes the request took, when it is complete; else how many it will take at least.</summary>
    public int Consumed => _position;

    /// <exception cref="HttpRefusal">It will never be a request of ours, whatever comes behind it.</exception>
    public HttpReadState TryRead(out HttpRequest request)
    {
        request = default;
        var head = _buffer[..Math.Min(_buffer.Length, MostHead)].IndexOf("\r\n\r\n"u8);
        if (head < 0)
        {
            _position = _buffer.Length + 1;
            return _buffer.Length < MostHead ? HttpReadState.NeedsMore : throw Malformed.HeadTooLong(MostHead);
        }

        var lines = _buffer[..(head + 2)];
        var (method, path) = ReadRequestLine(NextLine(ref lines));
        while (!lines.IsEmpty) ReadHeader(NextLine(ref lines));
        if (_length > _mostBody) throw Malformed.BodyTooLong(_length, _mostBody);
        var start = head + 4;
        _position = start + (int)_length;
        if (_buffer.Length < _position) return _expectsContinue ? HttpReadState.NeedsContinue : HttpReadState.NeedsMore;
        request = new HttpRequest(method, path, _buffer[start.._position], _close);
        return HttpReadState.Complete;
    }

    private static ReadOnlySpan<byte> NextLine(ref ReadOnlySpan<byte> lines)
    {
        var end = lines.IndexOf("\r\n"u8);
        var line = lines[..end];
        lines = lines[(end + 2)..];
        return line;
    }

    private (RequestMethod Method, string Path) ReadRequestLine(scoped ReadOnlySpan<byte> line)
    {
        var methodEnd = line.IndexOf((byte)' ');
        if (methodEnd <= 0) throw Malformed.RequestLine();
        var rest = line[(methodEnd + 1)..];
        var targetEnd = rest.IndexOf((byte)' ');
        if (targetEnd <= 0) throw Malformed.RequestLine();
        var version = rest[(targetEnd + 1)..];
        if (version.SequenceEqual("HTTP/1.0"u8)) _close = true;
        else if (!version.SequenceEqual("HTTP/1.1"u8)) throw version.StartsWith("HTTP/"u8) ? Malformed.Version() : Malformed.RequestLine();
        return (ReadMethod(line[..methodEnd]), ReadTarget(rest[..targetEnd]));
    }

    private static RequestMethod ReadMethod(ReadOnlySpan<byte> name) =>
        name.SequenceEqual("GET"u8) ? RequestMethod.Get :
        name.SequenceEqual("PUT"u8) ? RequestMethod.Put :
        name.SequenceEqual("PATCH"u8) ? RequestMethod.Patch :
        name.SequenceEqual("DELETE"u8) ? RequestMethod.Delete :
        throw Malformed.Method();

    /// <summary>A path, or a whole URL of which the path counts: some clients send one.</summary>
    private static string ReadTarget(ReadOnlySpan<byte> target)
    {
        var scheme = "http://"u8;
        if (target.StartsWith(scheme))
        {
            var slash = target[scheme.Length..].IndexOf((byte)'/');
            target = slash < 0 ? "/"u8 : target[(scheme.Length + slash)..];
        }

        if (target[0] != '/' || !Utf8.IsValid(target) || target.ContainsAnyInRange((byte)0, (byte)0x1F) || target.Contains((byte)0x7F)) throw Malformed.Target();
        return Encoding.UTF8.GetString(target);
    }

    private void ReadHeader(scoped ReadOnlySpan<byte> line)
    {
        var colon = line.IndexOf((byte)':');
        if (colon <= 0) throw Malformed.Header();
        var name = line[..colon];
        var value = line[(colon + 1)..].Trim(" \t"u8);
        // A blank before the colon and a line that goes on behind its end are how requests get smuggled (RFC 9112, 5.1 and 5.2).
        if (name.ContainsAnyExceptInRange((byte)0x21, (byte)0x7E) || HasControls(value)) throw Malformed.Header();
        if (Ascii.EqualsIgnoreCase(name, "Content-Length"u8)) ReadLength(value);
        else if (Ascii.EqualsIgnoreCase(name, "Transfer-Encoding"u8))
        {
            if (!Ascii.EqualsIgnoreCase(value, "identity"u8)) throw Malformed.TransferEncoding();
        }
        else if (Ascii.EqualsIgnoreCase(name, "Expect"u8))
        {
            _expectsContinue = Ascii.EqualsIgnoreCase(value, "100-continue"u8) ? true : throw Malformed.Expectation();
        }
        else if (Ascii.EqualsIgnoreCase(name, "Connection"u8))
        {
            _close = Ascii.EqualsIgnoreCase(value, "close"u8) || (_close && !Ascii.EqualsIgnoreCase(value, "keep-alive"u8));
        }
    }

    private void ReadLength(scoped ReadOnlySpan<byte> value)
    {
        // Digits only: no sign, no list, and short enough not to overflow.
        if (_lengthSeen || value.IsEmpty || value.ContainsAnyExceptInRange((byte)'0', (byte)'9') || !Utf8Parser.TryParse(value, out long length, out var read) || read != value.Length)
            throw Malformed.ContentLength();
        (_lengthSeen, _length) = (true, length);
    }

    /// <summary>Tabs are allowed in a value; zeroes and single carriage returns or line feeds are not.</summary>
    private static bool HasControls(ReadOnlySpan<byte> value)
    {
        foreach (var b in value)
        {
            if (b is < 0x20 and not (byte)'\t' or 0x7F) return true;
        }

        return false;
    }
}

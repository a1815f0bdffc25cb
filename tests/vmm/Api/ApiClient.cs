using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Xunit;

namespace RunnerVm.Tests.Vmm.Api;

/// <summary>One connection to an API socket, byte by byte: what a library would not let us send is what is tested.</summary>
internal sealed class ApiClient : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = 60_000, SendTimeout = 60_000 };
    private readonly List<byte> _received = [];

    public ApiClient(string path) => _socket.Connect(new UnixDomainSocketEndPoint(path));

    public static byte[] Request(string method, string path, string? body = null, params string[] headers)
    {
        var bytes = body is null ? [] : Encoding.UTF8.GetBytes(body);
        var head = new StringBuilder($"{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        foreach (var header in headers) head.Append(header).Append("\r\n");
        if (body is not null) head.Append(CultureInfo.InvariantCulture, $"Content-Type: application/json\r\nContent-Length: {bytes.Length}\r\n");
        return [.. Encoding.UTF8.GetBytes(head.Append("\r\n").ToString()), .. bytes];
    }

    /// <summary>One request on a connection of its own.</summary>
    public static ApiAnswer Ask(string socket, string method, string path, string? body = null)
    {
        using var client = new ApiClient(socket);
        return client.Ask(method, path, body);
    }

    public ApiAnswer Ask(string method, string path, string? body = null)
    {
        Send(Request(method, path, body));
        return Receive();
    }

    public void Send(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty) bytes = bytes[_socket.Send(bytes)..];
    }

    public ApiAnswer Receive()
    {
        int end;
        while ((end = Text().IndexOf("\r\n\r\n", StringComparison.Ordinal)) < 0) Assert.True(TryFill(), $"The connection ended in the head of an answer: {Text()}");
        var head = Text()[..end].Split("\r\n");
        var length = head.FirstOrDefault(static line => line.StartsWith("Content-Length: ", StringComparison.Ordinal)) is { } line
            ? int.Parse(line["Content-Length: ".Length..], CultureInfo.InvariantCulture)
            : 0;
        while (_received.Count < end + 4 + length) Assert.True(TryFill(), "The connection ended in an answer's body.");
        var body = Encoding.UTF8.GetString([.. _received.Skip(end + 4).Take(length)]);
        _received.RemoveRange(0, end + 4 + length);
        return new(int.Parse(head[0].Split(' ')[1], CultureInfo.InvariantCulture), [.. head.Skip(1)], body);
    }

    /// <summary>Whether the server has ended the connection and said nothing more.</summary>
    public bool IsOver() => _received.Count == 0 && !TryFill();

    public void Dispose() => _socket.Dispose();

    private string Text() => Encoding.Latin1.GetString([.. _received]);

    private bool TryFill()
    {
        var buffer = new byte[65536];
        var count = _socket.Receive(buffer);
        _received.AddRange(buffer.AsSpan(0, count));
        return count > 0;
    }
}

internal sealed record ApiAnswer(int Status, IReadOnlyList<string> Headers, string Body)
{
    /// <summary>What <c>fault_message</c> says.</summary>
    public string Fault => System.Text.Json.JsonDocument.Parse(Body).RootElement.GetProperty("fault_message").GetString()!;
}

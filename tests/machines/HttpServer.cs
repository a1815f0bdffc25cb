using System.Net;
using System.Net.Sockets;
using System.Text;

namespace RunnerVm.Tests.Machines;

/// <param name="Host">What the client calls the server.</param>
internal sealed record HttpQuestion(string Path, string Host, IPEndPoint Local);

/// <summary>HTTP/1.1 as far as curl and npm need it: one GET a connection, on one address, which the runtime's own server cannot promise.</summary>
internal sealed class HttpServer : IAsyncDisposable
{
    private readonly TcpListener _listener;
    private readonly Func<HttpQuestion, Stream, Task> _answer;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _serving;

    /// <param name="answer">Writes the whole response; see <see cref="WriteAsync"/>.</param>
    public HttpServer(IPEndPoint local, Func<HttpQuestion, Stream, Task> answer)
    {
        _answer = answer;
        _listener = new(local);
        _listener.Start(1024);
        _serving = ServeAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public static async Task WriteAsync(Stream to, int status, string type, byte[] body)
    {
        await to.WriteAsync(Head(status, type, body.Length));
        await to.WriteAsync(body);
    }

    public static byte[] Head(int status, string type, long length) => Encoding.ASCII.GetBytes(
        $"HTTP/1.1 {status} {(HttpStatusCode)status}\r\nContent-Type: {type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _serving;
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task ServeAsync()
    {
        var open = new HashSet<Task>();
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_stop.Token);
                open.RemoveWhere(static t => t.IsCompleted);
                open.Add(ServeOneAsync(client));
            }
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(open);
        }
    }

    private async Task ServeOneAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                var stream = client.GetStream();
                using var reader = new StreamReader(stream, Encoding.ASCII, leaveOpen: true);
                var (path, host) = ("", "");
                while (await reader.ReadLineAsync(_stop.Token) is { Length: > 0 } line)
                {
                    if (line.StartsWith("GET ", StringComparison.Ordinal)) path = line.Split(' ')[1];
                    if (line.StartsWith("Host: ", StringComparison.OrdinalIgnoreCase)) host = line[6..];
                }

                if (path.Length > 0) await _answer(new(path, host, (IPEndPoint)client.Client.LocalEndPoint!), stream);
                client.Client.Shutdown(SocketShutdown.Send);
            }
            catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
            {
                // The client went away, or the test is over.
            }
        }
    }
}

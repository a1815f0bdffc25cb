using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace RunnerVm.Machines.Firecracker;

/// <summary>Firecracker's HTTP API on its Unix socket, as much of it as starting a machine takes.</summary>
internal sealed class FirecrackerApi : IDisposable
{
    private const int LongestFault = 4096;
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(2);
    private readonly HttpClient _http;
    private readonly string _attempt;

    /// <param name="socketPath">May not be there yet: see <see cref="WaitAsync"/>.</param>
    /// <param name="attempt">What the requests are for, as a refusal says it: "Cannot start a machine".</param>
    public FirecrackerApi(string socketPath, string attempt)
    {
        _attempt = attempt;
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) => new NetworkStream(await ConnectAsync(socketPath, cancellationToken), ownsSocket: true),
            UseProxy = false,
        };
        _http = new(handler)
        {
            BaseAddress = new("http://localhost"),
            Timeout = Timeout.InfiniteTimeSpan, // The caller's token has the deadline.
            MaxResponseContentBufferSize = LongestFault,
        };
    }

    /// <summary>Returns once somebody listens at <paramref name="socketPath"/>. The monitor gives no sign of it but the socket itself.</summary>
    public static async Task WaitAsync(string socketPath, TimeProvider time, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                using var socket = await ConnectAsync(socketPath, cancellationToken);
                return;
            }
            catch (SocketException)
            {
                await Task.Delay(Poll, time, cancellationToken);
            }
        }
    }

    /// <exception cref="MachineException">Refused; the message holds the monitor's own words.</exception>
    /// <exception cref="HttpRequestException">The monitor is gone.</exception>
    public Task PutAsync<T>(string path, T body, JsonTypeInfo<T> type, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Put, path, body, type, cancellationToken);

    /// <inheritdoc cref="PutAsync"/>
    public Task PatchAsync<T>(string path, T body, JsonTypeInfo<T> type, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Patch, path, body, type, cancellationToken);

    private async Task SendAsync<T>(HttpMethod method, string path, T body, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body, type));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var request = new HttpRequestMessage(method, path) { Content = content };
        using var response = await _http.SendAsync(request, cancellationToken);
        if (response.IsSuccessStatusCode) return;
        throw new MachineException($"{_attempt}: its monitor refuses {path} with status {(int)response.StatusCode}: {Fault(await response.Content.ReadAsByteArrayAsync(cancellationToken))}");
    }

    public void Dispose() => _http.Dispose();

    private static string Fault(byte[] body)
    {
        try
        {
            return JsonSerializer.Deserialize(body, ApiJson.Default.ApiFault)?.FaultMessage ?? "it does not say why";
        }
        catch (JsonException)
        {
            return "it does not say why";
        }
    }

    private static async Task<Socket> ConnectAsync(string path, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}

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

    /// <param name="socketPath">May not be there yet: see <see cref="WaitAsync"/>.</param>
    public FirecrackerApi(string socketPath)
    {
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
    public async Task PutAsync<T>(string path, T body, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body, type));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var response = await _http.PutAsync(path, content, cancellationToken);
        if (response.IsSuccessStatusCode) return;
        throw new MachineException($"Cannot start a machine: its monitor refuses {path} with status {(int)response.StatusCode}: {Fault(await response.Content.ReadAsByteArrayAsync(cancellationToken))}");
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

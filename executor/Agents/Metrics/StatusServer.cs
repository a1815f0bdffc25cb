using System.Net;
using System.Text;
using Serilog;

namespace RunnerVm.Agents.Metrics;

/// <summary>
/// <c>/healthz</c> and <c>/metrics</c> over plain HTTP, for a network that is trusted: they tell numbers and the names of sources.
/// Answers one question at a time and reads nothing of a question but its path.
/// </summary>
internal sealed class StatusServer : IDisposable
{
    private readonly HttpListener _listener = new();
    private readonly Func<string> _metrics;
    private readonly CancellationToken _draining;
    private readonly ILogger _log;

    /// <param name="address">IPv4 address and port: HttpListener takes no others.</param>
    /// <param name="draining">The agent takes no more jobs: a load balancer or a person should know.</param>
    /// <exception cref="UserException">The address cannot be listened on.</exception>
    public StatusServer(IPEndPoint address, Func<string> metrics, ILogger log, CancellationToken draining)
    {
        (_metrics, _draining, _log) = (metrics, draining, log);
        _listener.Prefixes.Add(address.Address.Equals(IPAddress.Any) ? $"http://+:{address.Port}/" : $"http://{address}/");
        try
        {
            _listener.Start();
        }
        catch (HttpListenerException e)
        {
            throw new UserException(ExitCodes.RunnerFailed, $"Cannot listen on {address} for /healthz and /metrics (\"listen\"): {e.Message}", e);
        }

        _ = ServeAsync();
    }

    public void Dispose() => _listener.Close();

    private async Task ServeAsync()
    {
        while (_listener.IsListening)
        {
            try
            {
                var context = await _listener.GetContextAsync();
                await AnswerAsync(context);
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException or InvalidOperationException or IOException)
            {
                // Who asked went away, or we do.
            }
            catch (Exception e)
            {
                _log.Error(e, "An error of the agent's own while it told its figures, please report it");
            }
        }
    }

    private async Task AnswerAsync(HttpListenerContext context)
    {
        var (status, type, text) = context.Request.Url?.AbsolutePath switch
        {
            "/healthz" when _draining.IsCancellationRequested => (503, "text/plain", "draining\n"),
            "/healthz" => (200, "text/plain", "ok\n"),
            "/metrics" => (200, "text/plain; version=0.0.4; charset=utf-8", _metrics()),
            _ => (404, "text/plain", "There are /healthz and /metrics.\n"),
        };
        using var response = context.Response;
        (response.StatusCode, response.ContentType) = (status, type);
        await response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(text));
    }
}

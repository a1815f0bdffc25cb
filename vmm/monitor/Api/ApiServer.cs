using System.Text;
using RunnerVm.Vmm.Monitor.Api.Http;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Logging;

namespace RunnerVm.Vmm.Monitor.Api;

/// <summary>Firecracker's API on a Unix socket, on a thread of its own: parses, has the event loop do it, renders.</summary>
internal sealed class ApiServer : IDisposable
{
    /// <summary>Firecracker's, for requests and for the metadata.</summary>
    public const int DefaultPayload = 51_200;
    private static readonly TimeSpan Goodbye = TimeSpan.FromSeconds(1);

    private readonly HttpServer _server;
    private readonly VmmDoor _door;
    private readonly ApiAnswers _answers;
    private readonly ApiMetrics _metrics;
    private readonly ModuleLog _log;
    private readonly Func<bool>? _confine;
    private readonly Thread _thread;
    private readonly ManualResetEventSlim _running = new();
    private bool _confined;

    /// <param name="confine">Called on the API's thread at each request until it says that the thread is confined.</param>
    /// <exception cref="Native.LinuxException">The socket cannot be opened.</exception>
    public ApiServer(string socket, int mostPayload, VmmDoor door, ApiAnswers answers, ApiMetrics metrics, ModuleLog log, Func<bool>? confine = null)
    {
        _server = new HttpServer(socket, mostPayload);
        (_door, _answers, _metrics, _log, _confine) = (door, answers, metrics, log, confine);
        _thread = new Thread(Run) { Name = "api", IsBackground = true };
    }

    public void Start()
    {
        _thread.Start();
        _log.Info("API server started.");
    }

    /// <summary>Until its thread is there, which makes calls when it begins that no thread may make under a filter.</summary>
    public void AwaitThread() => _running.Wait();

    /// <summary>The loop has ended: no request is answered any more, and the socket's file goes away.</summary>
    public void Dispose()
    {
        _door.Close();
        _server.Stop();
        if (!_thread.IsAlive || _thread.Join(Goodbye)) _server.Dispose();
    }

    private void Run()
    {
        _running.Set();
        _server.Run(Handle);
    }

    private HttpResponse Handle(scoped in HttpRequest http)
    {
        var request = new ApiRequest(http.Method, http.Path, http.Body);
        Describe(request, http.Body);
        _metrics.Count(request);
        Confine();
        var response = Answer(request);
        Confine();
        if (response.Status < 400)
        {
            _log.Info($"The request was executed successfully. Status code: {response.Status}.");
            return response;
        }

        _metrics.CountRefusal(request);
        _log.Error($"The request was refused. Status code: {response.Status}. {Encoding.UTF8.GetString(response.Body!.Value.Span)}");
        return response;
    }

    /// <summary>As soon as it can be: the machine starts in the middle of a request, or before the first one.</summary>
    private void Confine() => _confined = _confined || (_confine?.Invoke() ?? true);

    private HttpResponse Answer(ApiRequest request)
    {
        try
        {
            var (action, deprecation) = ApiRoutes.Parse(request);
            if (deprecation is not null)
            {
                _metrics.CountDeprecated();
                _log.Warn(deprecation);
            }

            if (!_door.TryCall(action, out var answer, out var fault)) return HttpResponse.Fault("The machine has ended.", 503);
            var response = fault is null ? _answers.Render(answer!) : HttpResponse.Fault(fault.Message, fault.Status);
            return deprecation is null ? response : response with { Deprecated = true };
        }
        catch (VmmFaultException fault)
        {
            return HttpResponse.Fault(fault.Message, fault.Status);
        }
    }

    /// <summary>Metadata may hold secrets: its bodies are not shown.</summary>
    private void Describe(ApiRequest request, ReadOnlySpan<byte> body)
    {
        var shown = body.IsEmpty || request.Resource == "mmds" ? "" : $" with body {Encoding.UTF8.GetString(body)}";
        _log.Info($"The API server received a {request} request{shown}.");
    }
}

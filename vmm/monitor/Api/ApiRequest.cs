using RunnerVm.Vmm.Monitor.Api.Http;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Json;

namespace RunnerVm.Vmm.Monitor.Api;

/// <summary>A request as text: what is asked, of what, with which body. Splitting the path is all that was done with it.</summary>
internal sealed class ApiRequest
{
    private readonly string[] _path;
    private readonly byte[] _body;

    public ApiRequest(RequestMethod method, string path, ReadOnlySpan<byte> body)
    {
        Method = method;
        _path = path.TrimStart('/').TrimEnd('/').Split('/');
        _body = body.ToArray();
    }

    public RequestMethod Method { get; }

    /// <summary>The first part of the path: <c>drives</c>. Empty for the root.</summary>
    public string Resource => _path[0];

    /// <summary>What is behind it: <c>config</c>, an id; null for nothing.</summary>
    public string? Rest => _path.Length > 1 ? string.Join('/', _path[1..]) : null;

    public bool HasBody => _body.Length > 0;

    public System.Text.Json.JsonElement Json() => JsonBody.Parse(_body, $"the body of {this}");

    public JsonFields Fields() => new(Json());

    public override string ToString() => $"{HttpRequest.Name(Method)} /{string.Join('/', _path)}";
}

/// <summary>A request that was understood.</summary>
/// <param name="Deprecation">What it used that will go away; null for nothing.</param>
internal readonly record struct ParsedRequest(VmmAction Action, string? Deprecation = null)
{
    public static implicit operator ParsedRequest(VmmAction action) => new(action);
}

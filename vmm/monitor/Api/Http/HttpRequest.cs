namespace RunnerVm.Vmm.Monitor.Api.Http;

internal enum RequestMethod
{
    Get,
    Put,
    Patch,
    Delete,
}

/// <summary>One request, still in the connection's buffer. Good until the buffer is read into again.</summary>
/// <param name="Path">From its first slash; never empty.</param>
/// <param name="Close">The client wants the connection closed after the answer.</param>
internal readonly ref struct HttpRequest(RequestMethod method, string path, ReadOnlySpan<byte> body, bool close)
{
    public RequestMethod Method { get; } = method;

    public string Path { get; } = path;

    /// <summary>Empty where there is none: Content-Length 0 is no body, as in Firecracker.</summary>
    public ReadOnlySpan<byte> Body { get; } = body;

    public bool Close { get; } = close;

    public static string Name(RequestMethod method) => method switch
    {
        RequestMethod.Get => "GET",
        RequestMethod.Put => "PUT",
        RequestMethod.Patch => "PATCH",
        _ => "DELETE",
    };
}

using System.Text;
using System.Text.Json;
using RunnerVm.Vmm.Monitor.Json;

namespace RunnerVm.Vmm.Monitor.Api.Http;

/// <summary>An answer and how it goes over the wire.</summary>
/// <param name="Status">200, 204, 400, 413 or 503.</param>
/// <param name="Body">JSON; null for none.</param>
internal sealed record HttpResponse(int Status, ReadOnlyMemory<byte>? Body = null)
{
    public static readonly ReadOnlyMemory<byte> Continue = "HTTP/1.1 100 Continue\r\n\r\n"u8.ToArray();

    /// <summary>The request used something that will go away.</summary>
    public bool Deprecated { get; init; }

    public static HttpResponse NoContent { get; } = new(204);

    public static HttpResponse Json(Action<Utf8JsonWriter> write) => new(200, JsonBody.Write(write));

    public static HttpResponse Fault(string message, int status = 400) => new(status, JsonBody.Write(writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("fault_message", message);
        writer.WriteEndObject();
    }));

    /// <param name="close">Nothing more comes on this connection.</param>
    public byte[] ToBytes(bool close)
    {
        var head = new StringBuilder(160).Append("HTTP/1.1 ").Append(Status).Append(' ').Append(Reason(Status)).Append("\r\nServer: RunnerVm API\r\nConnection: ")
            .Append(close ? "close" : "keep-alive").Append("\r\n");
        if (Deprecated) head.Append("Deprecation: true\r\n");
        if (Body is { } body) head.Append("Content-Type: application/json\r\nContent-Length: ").Append(body.Length).Append("\r\n");
        head.Append("\r\n");
        var bytes = new byte[head.Length + (Body?.Length ?? 0)];
        Encoding.ASCII.GetBytes(head.ToString(), bytes);
        Body?.CopyTo(bytes.AsMemory(head.Length));
        return bytes;
    }

    private static string Reason(int status) => status switch
    {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        413 => "Payload Too Large",
        _ => "Service Unavailable",
    };
}

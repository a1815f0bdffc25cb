using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>What the parts of the stand-in share in reading and answering.</summary>
internal static class Http
{
    public static string? Bearer(this HttpContext context) => Scheme(context, "Bearer");

    public static string? Scheme(this HttpContext context, string scheme)
    {
        var header = context.Request.Headers.Authorization.ToString();
        return header.StartsWith(scheme + " ", StringComparison.Ordinal) ? header[(scheme.Length + 1)..] : null;
    }

    public static string Path(this HttpContext context, string name) => (string)context.Request.RouteValues[name]!;

    public static long Id(this HttpContext context, string name) => long.Parse(context.Path(name));

    public static async Task<JsonNode?> ReadAsync(this HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body, Encoding.UTF8);
        var text = await reader.ReadToEndAsync(context.RequestAborted);
        return text.Length == 0 ? null : JsonNode.Parse(text);
    }

    public static async Task WriteAsync(this HttpContext context, int status, JsonNode? body, bool byteOrderMark = false)
    {
        context.Response.StatusCode = status;
        if (body is null) return;
        context.Response.ContentType = "application/json; charset=utf-8";
        byte[] bytes = [.. byteOrderMark ? "\uFEFF"u8 : default, .. Encoding.UTF8.GetBytes(body.ToJsonString())];
        await context.Response.Body.WriteAsync(bytes);
    }

    /// <summary>An error as the REST API words it.</summary>
    public static Task RefuseAsync(this HttpContext context, int status, string message) => context.WriteAsync(status, new JsonObject
    {
        ["message"] = message, ["documentation_url"] = "https://docs.github.com/rest", ["status"] = status.ToString(),
    });

    public static string ETag(string body, string? token) =>
        $"W/\"{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(body + "\0" + token)))}\"";
}

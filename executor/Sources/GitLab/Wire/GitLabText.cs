using System.Text;
using System.Text.Json;

namespace RunnerVm.Sources.GitLab.Wire;

/// <summary>One line out of what a server says when it refuses: <c>message</c> as text or as fields, or an object store's XML.</summary>
internal static class GitLabText
{
    private const int MostBytes = 64 << 10;

    private const int MostCharacters = 300;

    /// <summary>For people, with the status in front.</summary>
    public static async Task<string> RefusalAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var said = Line(await BodyAsync(response, cancellationToken));
        var status = $"{(int)response.StatusCode} {response.ReasonPhrase}".TrimEnd();
        return said.Length == 0 ? status : $"{status}: {said}";
    }

    public static string Line(string body)
    {
        var text = Message(body);
        var line = new string([.. text.Take(MostCharacters).Select(static c => char.IsControl(c) ? ' ' : c)]).Trim();
        return text.Length > MostCharacters ? line + "…" : line;
    }

    private static string Message(string body)
    {
        if (body.TrimStart().StartsWith('<')) return Between(body, "<Message>", "</Message>") ?? Between(body, "<title>", "</title>") ?? "";
        try
        {
            using var document = JsonDocument.Parse(body);
            if (document.RootElement.ValueKind != JsonValueKind.Object) return body;
            if (!document.RootElement.TryGetProperty("message", out var message) && !document.RootElement.TryGetProperty("error", out message)) return "";
            if (message.ValueKind != JsonValueKind.Object) return message.ToString();
            return string.Join("; ", message.EnumerateObject().Select(static field => $"{field.Name} {Joined(field.Value)}"));
        }
        catch (JsonException)
        {
            return body;
        }
    }

    private static string Joined(JsonElement value) =>
        value.ValueKind == JsonValueKind.Array ? string.Join(", ", value.EnumerateArray().Select(static v => v.ToString())) : value.ToString();

    private static string? Between(string text, string open, string close)
    {
        var start = text.IndexOf(open, StringComparison.Ordinal);
        var end = start < 0 ? -1 : text.IndexOf(close, start, StringComparison.Ordinal);
        return end < 0 ? null : text[(start + open.Length)..end];
    }

    private static async Task<string> BodyAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        try
        {
            await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
            var buffer = new byte[MostBytes];
            var count = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken);
            return Encoding.UTF8.GetString(buffer, 0, count);
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            return "";
        }
    }
}

using System.Text.Json;
using System.Text.Json.Serialization;

namespace RunnerVm.Sources.GitLab.Payload;

/// <summary>From the bytes of a 201 to a <see cref="JobResponse"/>, or a sentence that names the field that is wrong.</summary>
internal static class JobResponseReader
{
    /// <summary>Scripts and file variables are part of it; what is larger is no job.</summary>
    public const int MaximumBytes = 64 << 20;

    /// <exception cref="MalformedJobException">It cannot be run; it holds id and token when at least those could be read.</exception>
    public static JobResponse Read(ReadOnlyMemory<byte> json)
    {
        try
        {
            var response = JsonSerializer.Deserialize(json.Span, GitLabJson.Default.JobResponse) ?? throw Malformed(json, "it is null");
            if (response.Id <= 0) throw Malformed(json, "field \"id\" is missing or not a positive number");
            if (response.Token.Length == 0) throw Malformed(json, "field \"token\" is missing");
            if (response.Variables.FirstOrDefault(static v => v.Key.Length == 0) is not null)
                throw Malformed(json, "field \"variables\" has an entry without a \"key\"");
            return response;
        }
        catch (JsonException e)
        {
            throw Malformed(json, Explain(e));
        }
    }

    private static string Explain(JsonException e)
    {
        var field = e.Path is ['$', '.', ..] path ? path[2..] : null;
        if (field is null) return $"it is not JSON: {Line(e.Message)}";
        return e.Message.Contains("could not be mapped", StringComparison.Ordinal)
            ? $"field \"{Line(field)}\" is unknown, and there an unknown option may not be ignored"
            : $"field \"{Line(field)}\" is of the wrong type";
    }

    /// <summary>The path may hold a key somebody else wrote.</summary>
    private static string Line(string text) => new([.. text.Take(200).Select(static c => char.IsControl(c) ? ' ' : c)]);

    private static MalformedJobException Malformed(ReadOnlyMemory<byte> json, string what)
    {
        var (id, token) = (0L, "");
        try
        {
            using var document = JsonDocument.Parse(json);
            if (document.RootElement.ValueKind == JsonValueKind.Object)
            {
                if (document.RootElement.TryGetProperty("id", out var idField) && idField.ValueKind == JsonValueKind.Number) idField.TryGetInt64(out id);
                if (document.RootElement.TryGetProperty("token", out var tokenField) && tokenField.ValueKind == JsonValueKind.String) token = tokenField.GetString()!;
            }
        }
        catch (JsonException)
        {
            // Then there is nobody to answer to.
        }

        return new(id, token, $"GitLab's job {(id > 0 ? id : "without an id")} cannot be read: {what}.");
    }
}

/// <summary>A payload we cannot run. Where <see cref="JobId"/> and <see cref="JobToken"/> are there, the job can be failed with the message.</summary>
internal sealed class MalformedJobException(long jobId, string jobToken, string message) : Exception(message)
{
    public long JobId { get; } = jobId;

    public string JobToken { get; } = jobToken;

    public bool CanBeAnswered => JobId > 0 && JobToken.Length > 0;
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(NullIsZero), typeof(NullIsZeroLong), typeof(NullIsZeroDouble), typeof(NullIsFalse)])]
[JsonSerializable(typeof(JobResponse))]
internal sealed partial class GitLabJson : JsonSerializerContext;

using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Serialization.Metadata;
using RunnerVm.Sources.GitLab.Payload;

namespace RunnerVm.Sources.GitLab.Wire;

/// <summary>The calls a runner's token opens: is it good, and is there a job. One a runner entry; one caller at a time.</summary>
internal sealed class RunnerConnection(GitLabHttp http, string token, string systemId)
{
    private string? _cursor;

    /// <summary>Says who we are and learns whether the token is good.</summary>
    public async Task<TokenCheck> VerifyAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var response = await http.SendAsync(
                () => Post("runners/verify", new VerifyBody(token, systemId, RunnerIdentity.This), WireJson.Default.VerifyBody), cancellationToken);
            if (response.StatusCode != HttpStatusCode.OK)
            {
                var refusal = await GitLabText.RefusalAsync(response, cancellationToken);
                return response.StatusCode == HttpStatusCode.Forbidden ? new TokenCheck.Invalid(refusal) : new TokenCheck.Unknown(refusal);
            }

            // Very old servers answer in plain text.
            if (!IsJson(response)) return new TokenCheck.Valid(null);
            var answer = await response.Content.ReadFromJsonAsync(WireJson.Default.VerifyAnswer, cancellationToken);
            return new TokenCheck.Valid(answer?.TokenExpiresAt);
        }
        catch (Exception e) when (IsTrouble(e, cancellationToken))
        {
            return new TokenCheck.Unknown(Explain(e));
        }
    }

    /// <summary>Asks for a job. May take a minute where the server holds the question until there is one.</summary>
    public async Task<JobAnswer> RequestAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var response = await http.SendAsync(
                () => Post("jobs/request", new RequestBody(RunnerIdentity.This, token, systemId, _cursor), WireJson.Default.RequestBody), cancellationToken);
            if (response.Headers.TryGetValues("X-GitLab-Last-Update", out var cursors) && cursors.FirstOrDefault() is { Length: > 0 } cursor) _cursor = cursor;
            return response.StatusCode switch
            {
                HttpStatusCode.Created => await ReadJobAsync(response, cancellationToken),
                HttpStatusCode.NoContent => new JobAnswer.None(),
                // Somebody else was faster, or the server's queue is being built.
                HttpStatusCode.Conflict => new JobAnswer.None(),
                HttpStatusCode.Forbidden => new JobAnswer.Refused(await GitLabText.RefusalAsync(response, cancellationToken)),
                _ => new JobAnswer.Trouble(await GitLabText.RefusalAsync(response, cancellationToken)),
            };
        }
        catch (Exception e) when (IsTrouble(e, cancellationToken))
        {
            return new JobAnswer.Trouble(Explain(e));
        }
    }

    /// <summary>Whether an exception is the network's or the server's doing, rather than ours or a cancellation.</summary>
    internal static bool IsTrouble(Exception e, CancellationToken cancellationToken) =>
        e is HttpRequestException or IOException or System.Text.Json.JsonException
        || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested);

    internal static string Explain(Exception e) => e is OperationCanceledException
        ? "no answer in time"
        : GitLabText.Line(e.InnerException is { } inner && !e.Message.Contains(inner.Message, StringComparison.Ordinal) ? $"{e.Message} {inner.Message}" : e.Message);

    private static async Task<JobAnswer> ReadJobAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (!IsJson(response)) return new JobAnswer.Trouble($"a job came as {response.Content.Headers.ContentType?.MediaType ?? "nothing known"} instead of JSON");
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        using var bytes = new MemoryStream();
        var buffer = new byte[1 << 16];
        for (int count; (count = await stream.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            if (bytes.Length + count > JobResponseReader.MaximumBytes) return new JobAnswer.Trouble($"a job is larger than {JobResponseReader.MaximumBytes >> 20} MiB");
            bytes.Write(buffer, 0, count);
        }

        try
        {
            return new JobAnswer.Job(JobResponseReader.Read(bytes.GetBuffer().AsMemory(0, (int)bytes.Length)));
        }
        catch (MalformedJobException malformed)
        {
            return new JobAnswer.Malformed(malformed);
        }
    }

    private static bool IsJson(HttpResponseMessage response) => response.Content.Headers.ContentType?.MediaType == "application/json";

    private static HttpRequestMessage Post<T>(string path, T body, JsonTypeInfo<T> type)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(path, UriKind.Relative)) { Content = JobConnection.Json(body, type) };
        request.Headers.TryAddWithoutValidation("Accept", "application/json");
        return request;
    }
}

/// <summary>What GitLab says about a runner's token.</summary>
internal abstract record TokenCheck
{
    private TokenCheck()
    {
    }

    /// <param name="ExpiresAt">Null: never.</param>
    internal sealed record Valid(DateTimeOffset? ExpiresAt) : TokenCheck;

    internal sealed record Invalid(string Said) : TokenCheck;

    /// <summary>There was no answer that would prove anything.</summary>
    internal sealed record Unknown(string Said) : TokenCheck;
}

/// <summary>What GitLab says when it is asked for a job.</summary>
internal abstract record JobAnswer
{
    private JobAnswer()
    {
    }

    internal sealed record Job(JobResponse Payload) : JobAnswer;

    /// <summary>A job came that cannot be read.</summary>
    internal sealed record Malformed(MalformedJobException Problem) : JobAnswer;

    internal sealed record None : JobAnswer;

    /// <summary>The token is not, or no longer, good.</summary>
    internal sealed record Refused(string Said) : JobAnswer;

    /// <summary>Server or network are not well; ask again later.</summary>
    internal sealed record Trouble(string Said) : JobAnswer;
}

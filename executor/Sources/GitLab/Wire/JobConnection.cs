using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace RunnerVm.Sources.GitLab.Wire;

/// <summary>The calls a job's own token opens: its state, its log, its files. Safe to use from several threads.</summary>
internal sealed partial class JobConnection(GitLabHttp http, long jobId, string token)
{
    public long JobId => jobId;

    /// <inheritdoc cref="GitLabHttp.CaCertificates"/>
    public string? CaCertificates => http.CaCertificates;

    /// <summary>Reports a state: <c>pending</c> keeps a job that is being prepared, <c>running</c> begins it or shows that it lives.</summary>
    public Task<JobReply> UpdateAsync(string state, CancellationToken cancellationToken) =>
        PutAsync(new(RunnerIdentity.This, token, state, null, null, null, null), cancellationToken);

    /// <summary>Reports the end. <see cref="JobReply.Status"/> 200: accepted; 202: ask again; 412: the log has to be sent anew.</summary>
    public Task<JobReply> FinishAsync(FinalState final, string checksum, long bytes, CancellationToken cancellationToken) => PutAsync(
        new(RunnerIdentity.This, token, final.State, final.FailureReason, checksum, new(checksum, bytes), final.ExitCode is 0 ? null : final.ExitCode),
        cancellationToken);

    /// <summary>Adds a piece of the log; at most 1 MiB, never empty.</summary>
    public Task<JobReply> AppendTraceAsync(long offset, ReadOnlyMemory<byte> bytes, bool debugTrace, CancellationToken cancellationToken) => SendAsync(() =>
    {
        var request = new HttpRequestMessage(HttpMethod.Patch, new Uri($"jobs/{jobId}/trace?debug_trace={(debugTrace ? "true" : "false")}", UriKind.Relative))
        {
            Content = new ReadOnlyMemoryContent(bytes) { Headers = { ContentType = new("text/plain") } },
        };
        // "first-last" without a unit: no range in the sense of the RFC, so its type would refuse it.
        request.Content.Headers.TryAddWithoutValidation("Content-Range", string.Create(CultureInfo.InvariantCulture, $"{offset}-{offset + bytes.Length - 1}"));
        return request;
    }, cancellationToken);

    internal static HttpContent Json<T>(T body, JsonTypeInfo<T> type) => new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body, type))
    {
        Headers = { ContentType = new("application/json") },
    };

    private Task<JobReply> PutAsync(UpdateBody body, CancellationToken cancellationToken) => SendAsync(() =>
    {
        var request = new HttpRequestMessage(HttpMethod.Put, new Uri($"jobs/{jobId}", UriKind.Relative)) { Content = Json(body, WireJson.Default.UpdateBody) };
        request.Headers.TryAddWithoutValidation("Accept", "application/json");
        return request;
    }, cancellationToken);

    private async Task<JobReply> SendAsync(Func<HttpRequestMessage> create, CancellationToken cancellationToken)
    {
        try
        {
            using var response = await http.SendAsync(() => WithToken(create(), token), cancellationToken);
            var refusal = response.IsSuccessStatusCode ? null : await GitLabText.RefusalAsync(response, cancellationToken);
            return new(response.StatusCode)
            {
                JobStatus = Header(response, "Job-Status"),
                UpdateInterval = Interval(Header(response, "X-GitLab-Trace-Update-Interval")),
                StoredBytes = Stored(Header(response, "Range")),
                Said = refusal,
            };
        }
        catch (Exception e) when (RunnerConnection.IsTrouble(e, cancellationToken))
        {
            return new(null) { Said = RunnerConnection.Explain(e) };
        }
    }

    private static HttpRequestMessage WithToken(HttpRequestMessage request, string token)
    {
        request.Headers.TryAddWithoutValidation(GitLabHttp.JobTokenHeader, token);
        return request;
    }

    private static TimeSpan? Interval(string? header) =>
        int.TryParse(header, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds > 0
            ? TimeSpan.FromSeconds(Math.Min(seconds, JobReply.LongestIntervalSeconds))
            : null;

    /// <summary>What stands behind the dash of <c>0-123</c> is a size.</summary>
    private static long Stored(string? header) =>
        header?.IndexOf('-') is { } dash and >= 0 && long.TryParse(header.AsSpan(dash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var size) ? size : 0;

    private static string? Header(HttpResponseMessage response, string name)
    {
        if (response.Headers.TryGetValues(name, out var values)) return values.FirstOrDefault();
        return response.Content.Headers.TryGetValues(name, out values) ? values.FirstOrDefault() : null;
    }
}

/// <summary>A job's end as the wire has it.</summary>
/// <param name="State"><c>success</c> or <c>failed</c>.</param>
/// <param name="FailureReason">Null for a success.</param>
internal sealed record FinalState(string State, string? FailureReason = null, int? ExitCode = null);

/// <param name="Status">Null when there was no answer.</param>
internal sealed record JobReply(HttpStatusCode? Status)
{
    public const int LongestIntervalSeconds = 15 * 60;

    /// <summary>The job's state as the server sees it.</summary>
    public string? JobStatus { get; init; }

    /// <summary>How long to wait until the next piece of log; null when the server says nothing.</summary>
    public TimeSpan? UpdateInterval { get; init; }

    /// <summary>What the server has of the log, where it was asked about that.</summary>
    public long StoredBytes { get; init; }

    /// <summary>Why it was refused or did not arrive.</summary>
    public string? Said { get; init; }

    /// <summary>The server wants nothing more of this job.</summary>
    public bool Aborts => JobStatus is "canceled" or "failed" || Status == HttpStatusCode.Forbidden;

    /// <summary>The script is to end, what follows it still runs.</summary>
    public bool Cancels => JobStatus == "canceling";
}

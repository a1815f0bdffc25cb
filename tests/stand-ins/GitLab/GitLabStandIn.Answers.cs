using System.Diagnostics;
using System.Globalization;
using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace RunnerVm.Tests.StandIns.GitLab;

/// <content>One method for each call of the protocol.</content>
public sealed partial class GitLabStandIn
{
    private static readonly string[] Features =
    [
        "variables", "image", "services", "artifacts", "cache", "fallback_cache_keys", "shared", "upload_multiple_artifacts", "upload_raw_artifacts", "session",
        "terminal", "refspecs", "masking", "proxy", "raw_variables", "artifacts_exclude", "multi_build_steps", "trace_reset", "trace_checksum", "trace_size",
        "vault_secrets", "cancelable", "return_exit_code", "service_variables", "service_multiple_aliases", "image_executor_opts", "service_executor_opts",
        "cancel_gracefully", "native_steps_integration", "two_phase_job_commit", "job_inputs",
    ];

    private async Task AnswerAsync(HttpContext context)
    {
        if (Gone)
        {
            context.Abort();
            return;
        }

        var path = context.Request.Path.Value ?? "";
        if (path.Contains(".git/", StringComparison.Ordinal))
        {
            await CloneAsync(context);
            return;
        }

        var call = $"{context.Request.Method} {path}";
        if (Planned(context.Request.Method, path) is { } planned)
        {
            context.Response.StatusCode = planned.Status;
            planned.More?.Invoke(context.Response);
            return;
        }

        if (!Regex.IsMatch(context.Request.Headers["X-Request-Id"].ToString(), "^[0-9a-f]{32}$")) Violation($"{call}: no X-Request-Id");
        if (!Regex.IsMatch(context.Request.Headers.UserAgent.ToString(), @"^\S+ \S+ \(.*; .*; .*/.*\)$")) Violation($"{call}: User-Agent {context.Request.Headers.UserAgent}");
        if (path == "/api/v4/runners/verify" && HttpMethods.IsPost(context.Request.Method)) await VerifyAsync(context);
        else if (path == "/api/v4/jobs/request" && HttpMethods.IsPost(context.Request.Method)) await RequestAsync(context);
        else if (Regex.Match(path, "^/api/v4/jobs/([0-9]+)(/trace|/artifacts)?$") is { Success: true } match) await JobCallAsync(context, call, match);
        else
        {
            Violation($"{call}: no such call");
            context.Response.StatusCode = 404;
        }
    }

    private async Task CloneAsync(HttpContext context)
    {
        if (IsOfRunningJob(context.Request.Headers.Authorization.ToString()))
        {
            await Repositories.AnswerAsync(context);
            return;
        }

        context.Response.StatusCode = 401;
        context.Response.Headers.WWWAuthenticate = "Basic realm=\"GitLab\"";
    }

    private bool IsOfRunningJob(string authorization)
    {
        lock (_lock) return _jobs.Values.Any(job => job.State is "running" or "canceling"
            && authorization == $"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes($"gitlab-ci-token:{job.Token}"))}");
    }

    private async Task VerifyAsync(HttpContext context)
    {
        var body = await ReadJsonAsync(context);
        if (body is null) return;
        CheckInfo(body, "verify");
        context.Response.StatusCode = 403;
        if (Text(body, "token") is not { } token || !RequestsByToken.ContainsKey(token)) return;
        context.Response.StatusCode = 200;
        await context.Response.WriteAsJsonAsync(new { id = 7, token, token_expires_at = (string?)null });
    }

    private async Task RequestAsync(HttpContext context)
    {
        var body = await ReadJsonAsync(context);
        if (body is null) return;
        CheckInfo(body, "jobs/request");
        if (Text(body, "system_id") is not { Length: > 0 } systemId) Violation("jobs/request: no system_id");
        else if (!Counts(body)) await RefuseAsync(context, 403, "403 Forbidden");
        else if (Take(systemId) is { } job)
        {
            context.Response.StatusCode = 201;
            await context.Response.WriteAsJsonAsync(job.Payload);
        }
        else
        {
            context.Response.Headers["X-GitLab-Last-Update"] = _cursor.ToString(CultureInfo.InvariantCulture);
            context.Response.StatusCode = 204;
        }
    }

    /// <summary>Whether the question is a known runner's, which is counted with its cursor.</summary>
    private bool Counts(JsonObject body)
    {
        lock (_lock)
        {
            if (Text(body, "token") is not { } token || !RequestsByToken.TryGetValue(token, out var asked)) return false;
            RequestsByToken[token] = asked + 1;
            if (body["last_update"] is null) return true;
            if (Text(body, "last_update") is not { } cursor || !int.TryParse(cursor, CultureInfo.InvariantCulture, out var number) || number > _cursor) Violation($"jobs/request: last_update {body["last_update"]} is no cursor of ours");
            LastCursor = Text(body, "last_update");
            return true;
        }
    }

    private StandInJob? Take(string systemId)
    {
        lock (_lock)
        {
            Requests++;
            ReturnSilent_NeedsLock();
            if (_queue.First is not { Value: var job }) return null;
            _queue.RemoveFirst();
            job.HandedOver++;
            job.SystemId = systemId;
            job.HandedOverAt = job.LastSign = Stopwatch.GetTimestamp();
            job.AcceptancesLeft = Acceptances;
            SetState_NeedsLock(job, TwoPhase ? "waiting" : "running");
            return job;
        }
    }

    private async Task JobCallAsync(HttpContext context, string call, Match match)
    {
        StandInJob? job;
        lock (_lock) job = _jobs.GetValueOrDefault(long.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture));
        if (job is null)
        {
            context.Response.StatusCode = 404;
            return;
        }

        if (context.Request.Headers["JOB-TOKEN"] != job.Token)
        {
            Violation($"{call}: a wrong JOB-TOKEN");
            await RefuseAsync(context, 403, "403 Forbidden");
            return;
        }

        switch ((context.Request.Method, match.Groups[2].Value))
        {
            case ("PUT", ""):
                await UpdateAsync(context, job, call);
                break;
            case ("PATCH", "/trace"):
                await AppendAsync(context, job, call);
                break;
            case ("POST", "/artifacts"):
                await StoreAsync(context, job, call);
                break;
            case ("GET", "/artifacts"):
                await HandOutAsync(context, job);
                break;
            default:
                Violation($"{call}: no such call");
                context.Response.StatusCode = 405;
                break;
        }
    }

    private async Task UpdateAsync(HttpContext context, StandInJob job, string call)
    {
        var body = await ReadJsonAsync(context);
        if (body is null) return;
        CheckInfo(body, call);
        if (Text(body, "token") != job.Token) Violation($"{call}: the body's token is another");
        var state = Text(body, "state");
        lock (_lock)
        {
            context.Response.StatusCode = state switch
            {
                "pending" => KeepAlive_NeedsLock(job),
                "running" => Begin_NeedsLock(job),
                "success" or "failed" => End_NeedsLock(job, body, state, call),
                _ => 400,
            };
            if (context.Response.StatusCode == 400 && state is not ("pending" or "running")) Violation($"{call}: state {state}");
            AddHeaders_NeedsLock(context, job);
            Change_NeedsLock();
        }
    }

    private int KeepAlive_NeedsLock(StandInJob job)
    {
        if (job.State != "waiting") return job.State == "running" ? 400 : 403;
        job.KeepAlives++;
        job.LastSign = Stopwatch.GetTimestamp();
        return 200;
    }

    private int Begin_NeedsLock(StandInJob job)
    {
        if (job.State == "waiting") SetState_NeedsLock(job, "running");
        else if (job.State is "running" or "canceling") job.Touches++;
        else return 403;
        return 200;
    }

    private int End_NeedsLock(StandInJob job, JsonObject body, string state, string call)
    {
        if (job.State is not ("running" or "canceling")) return 403;
        if (job.AcceptancesLeft > 0)
        {
            job.AcceptancesLeft--;
            return 202;
        }

        var checksum = $"crc32:{Crc32.HashToUInt32(job.Trace):x8}";
        var output = body["output"] as JsonObject;
        if (Text(output, "checksum") != checksum || output?["bytesize"]?.GetValue<long>() != job.Log.Length)
        {
            Violation($"{call}: checksum {Text(output, "checksum")} of {output?["bytesize"]} bytes instead of {checksum} of {job.Log.Length}");
            return 412;
        }

        if (state == "success" && body["failure_reason"] is not null) Violation($"{call}: a failure_reason for a success");
        if (state == "failed" && Text(body, "failure_reason") is null) Violation($"{call}: no failure_reason");
        if (body["exit_code"] is { } code && code.GetValue<int>() == 0) Violation($"{call}: exit_code 0 is not sent");
        job.Ended++;
        job.FailureReason = Text(body, "failure_reason");
        job.ExitCode = body["exit_code"]?.GetValue<int>() ?? 0;
        SetState_NeedsLock(job, job.State == "canceling" ? "canceled" : state);
        return 200;
    }

    private async Task AppendAsync(HttpContext context, StandInJob job, string call)
    {
        using var memory = new MemoryStream();
        await context.Request.Body.CopyToAsync(memory);
        var bytes = memory.ToArray();
        lock (_lock)
        {
            context.Response.StatusCode = Append_NeedsLock(context, job, bytes, call);
            context.Response.Headers["Range"] = $"0-{job.Log.Length}";
            AddHeaders_NeedsLock(context, job);
            Change_NeedsLock();
        }
    }

    private int Append_NeedsLock(HttpContext context, StandInJob job, byte[] bytes, string call)
    {
        var range = Regex.Match(context.Request.Headers["Content-Range"].ToString(), "^([0-9]+)-([0-9]+)$");
        if (!range.Success) Violation($"{call}: Content-Range '{context.Request.Headers["Content-Range"]}'");
        if (context.Request.ContentType != "text/plain") Violation($"{call}: Content-Type {context.Request.ContentType}");
        if (context.Request.Query["debug_trace"].ToString() is not ("true" or "false")) Violation($"{call}: debug_trace");
        if (bytes.Length is 0 or > 1 << 20) Violation($"{call}: a piece of {bytes.Length} bytes");
        if (!range.Success) return 400;
        if (job.State is not ("running" or "canceling")) return 403;
        var (first, last) = (long.Parse(range.Groups[1].Value, CultureInfo.InvariantCulture), long.Parse(range.Groups[2].Value, CultureInfo.InvariantCulture));
        if (last - first + 1 != bytes.Length)
        {
            Violation($"{call}: range {first}-{last} for {bytes.Length} bytes");
            return 400;
        }

        if (first != job.Log.Length) return 416;
        job.Log.Write(bytes);
        job.Patches++;
        if (job.ToFirstOutput is null && Regex.IsMatch(Encoding.UTF8.GetString(bytes), @"^\S+Z 01[OE][ +]", RegexOptions.Multiline)) job.ToFirstOutput = job.SinceHandover;
        return 202;
    }

    private async Task StoreAsync(HttpContext context, StandInJob job, string call)
    {
        var query = context.Request.Query;
        var boundary = MediaTypeHeaderValue.TryParse(context.Request.ContentType, out var type) && type.MediaType == "multipart/form-data" ? HeaderUtilities.RemoveQuotes(type.Boundary).Value : null;
        if (boundary is null)
        {
            Violation($"{call}: Content-Type {context.Request.ContentType}");
            context.Response.StatusCode = 400;
            return;
        }

        var reader = new MultipartReader(boundary, context.Request.Body);
        var sections = 0;
        for (MultipartSection? section; (section = await reader.ReadNextSectionAsync()) is not null; sections++)
        {
            var disposition = ContentDispositionHeaderValue.Parse(section.ContentDisposition);
            if (HeaderUtilities.RemoveQuotes(disposition.Name) != "file") Violation($"{call}: a part called {disposition.Name}");
            using var content = new MemoryStream();
            await section.Body.CopyToAsync(content);
            var artifact = new StandInArtifact(
                HeaderUtilities.RemoveQuotes(disposition.FileName).Value ?? "", Given(query["artifact_type"]), Given(query["artifact_format"]), Given(query["expire_in"]), content.ToArray());
            lock (_lock) job.Stored.Add(artifact);
        }

        if (sections != 1) Violation($"{call}: {sections} parts");
        context.Response.StatusCode = 201;
        await context.Response.WriteAsync("{\"message\":\"201 Created\"}");
    }

    private async Task HandOutAsync(HttpContext context, StandInJob job)
    {
        StandInArtifact? archive;
        lock (_lock) archive = job.Stored.LastOrDefault(static a => a.Type is null or "archive");
        if (archive is null)
        {
            await RefuseAsync(context, 404, "404 Not found");
            return;
        }

        context.Response.ContentType = "application/octet-stream";
        await context.Response.Body.WriteAsync(archive.Content);
    }

    private void AddHeaders_NeedsLock(HttpContext context, StandInJob job)
    {
        context.Response.Headers["Job-Status"] = job.State == "waiting" ? "pending" : job.State;
        if (UpdateInterval is { } seconds) context.Response.Headers["X-GitLab-Trace-Update-Interval"] = seconds.ToString(CultureInfo.InvariantCulture);
    }

    private void CheckInfo(JsonObject body, string call)
    {
        var info = body["info"] as JsonObject;
        foreach (var field in new[] { "name", "version", "platform", "architecture", "executor" })
            if (Text(info, field) is not { Length: > 0 }) Violation($"{call}: info.{field} is missing");
        var features = info?["features"] as JsonObject;
        foreach (var feature in Features)
            if (features?[feature]?.GetValueKind() is not (JsonValueKind.True or JsonValueKind.False)) Violation($"{call}: info.features.{feature} is missing");
    }

    private async Task<JsonObject?> ReadJsonAsync(HttpContext context)
    {
        if (context.Request.ContentType?.StartsWith("application/json", StringComparison.Ordinal) != true) Violation($"{context.Request.Path}: Content-Type {context.Request.ContentType}");
        try
        {
            return (await JsonNode.ParseAsync(context.Request.Body)) as JsonObject ?? throw new JsonException();
        }
        catch (JsonException)
        {
            Violation($"{context.Request.Path}: no JSON object");
            context.Response.StatusCode = 400;
            return null;
        }
    }

    private static Task RefuseAsync(HttpContext context, int status, string message)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsJsonAsync(new { message });
    }

    private PlannedAnswer? Planned(string method, string path)
    {
        lock (_lock)
        {
            var planned = _planned.FirstOrDefault(p => p.Left > 0 && p.Method == method && path.Contains(p.PathPart, StringComparison.Ordinal));
            if (planned is not null) planned.Left--;
            return planned;
        }
    }

    private void Violation(string what)
    {
        lock (_lock) _violations.Add(what);
    }

    private static string? Text(JsonObject? body, string name) => body?[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    private static string? Given(string? value) => string.IsNullOrEmpty(value) ? null : value;
}

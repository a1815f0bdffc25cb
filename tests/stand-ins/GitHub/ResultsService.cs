using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>Where a job's worker puts logs and tells which steps run: calls in twirp's way, then a blob at an address it was given.</summary>
internal sealed class ResultsService(GitHubWorld world)
{
    public void Map(WebApplication application)
    {
        application.MapPost("/results/twirp/{service}/{call}", CallAsync);
        application.MapPut("/blob/{job}/{name}", StoreAsync);
    }

    private async Task CallAsync(HttpContext context)
    {
        var body = await context.ReadAsync();
        var job = world.FindJob(body?["workflow_job_run_backend_id"]?.GetValue<string>());
        if (!world.Tokens.Holds(context.Bearer(), TokenKind.Runner) || job is null)
        {
            world.Requests.Violate($"{context.Request.Path} without a job or its token");
            await context.WriteAsync(401, null);
            return;
        }

        if (body!["workflow_run_backend_id"]?.GetValue<string>() != job.PlanGuid.ToString()) world.Requests.Violate($"{context.Request.Path} of another plan");
        var step = body["step_backend_id"]?.GetValue<string>();
        await context.WriteAsync(200, context.Path("call") switch
        {
            "GetStepLogsSignedBlobURL" => Place("logs_url", job, step),
            "GetJobLogsSignedBlobURL" => Place("logs_url", job, "job"),
            "GetStepSummarySignedBlobURL" => Place("summary_url", job, $"summary-{step}"),
            "GetJobDiagLogsSignedBlobURL" => Place("diag_logs_url", job, "diagnostics"),
            "WorkflowStepsUpdate" => Update(job, body),
            "CreateStepLogsMetadata" or "CreateJobLogsMetadata" or "CreateStepSummaryMetadata" => new JsonObject { ["ok"] = true },
            var other => Unknown(other),
        });
    }

    private JsonObject Place(string name, StandInJob job, string? blob) => new()
    {
        [name] = new Uri(world.RunnerUrl, $"/blob/{job.JobGuid}/{blob}?sig=1").AbsoluteUri, ["blob_storage_type"] = "BLOB_STORAGE_TYPE_AZURE", ["soft_size_limit"] = 1 << 20,
    };

    private JsonObject Update(StandInJob job, JsonNode body)
    {
        foreach (var step in body["steps"]!.AsArray())
            world.Tell(job, new(step!["external_id"]!.GetValue<string>(), step["number"]!.GetValue<int>(), step["name"]!.GetValue<string>(), Conclusion(step["conclusion"]?.GetValue<int>())));
        return new() { ["ok"] = true };
    }

    private JsonObject Unknown(string call)
    {
        world.Requests.Violate($"the results service has no call {call}");
        return new();
    }

    private static string? Conclusion(int? number) => number switch { 2 => "succeeded", 3 => "failed", 4 => "canceled", 7 => "skipped", _ => null };

    /// <summary>One piece that is all of it, or an empty blob first and then pieces of it.</summary>
    private async Task StoreAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body);
        var text = (await reader.ReadToEndAsync(context.RequestAborted)).TrimStart('\uFEFF');
        var appends = context.Request.Query["comp"] == "appendblock";
        var kind = context.Request.Headers["x-ms-blob-type"].ToString();
        if (context.Request.Query["sig"] != "1" || (!appends && kind is not ("BlockBlob" or "AppendBlob")))
        {
            world.Requests.Violate($"a blob of kind \"{kind}\" at {context.Request.Path}{context.Request.QueryString}");
            context.Response.StatusCode = 403;
            return;
        }

        if (world.FindJob(context.Path("job")) is { } job) world.Store(job, context.Path("name"), text, appends);
        context.Response.StatusCode = 201;
    }
}

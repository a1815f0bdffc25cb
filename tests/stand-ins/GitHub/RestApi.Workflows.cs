using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>Runs and jobs, with ETags that answer 304 and cost nothing.</summary>
internal sealed partial class RestApi
{
    private Task ListRunsAsync(HttpContext context)
    {
        var repository = $"{context.Path("owner")}/{context.Path("repo")}";
        var status = context.Request.Query["status"].ToString();
        List<StandInRun> runs;
        lock (world.Gate) runs = [.. world.Runs.Where(r => r.Repository == repository && (status.Length == 0 || r.Status == status)).OrderByDescending(static r => r.Id)];
        return ConditionalAsync(context, new JsonObject { ["total_count"] = runs.Count, ["workflow_runs"] = new JsonArray([.. Page(context, runs).Select(Describe)]) });
    }

    private Task ListJobsAsync(HttpContext context)
    {
        var id = context.Id("run");
        List<StandInJob> jobs;
        lock (world.Gate) jobs = world.Runs.FirstOrDefault(r => r.Id == id)?.Jobs ?? [];
        if (jobs.Count == 0) return context.RefuseAsync(404, "Not Found");
        return ConditionalAsync(context, new JsonObject { ["total_count"] = jobs.Count, ["jobs"] = new JsonArray([.. Page(context, jobs).Select(j => Describe(j))]) });
    }

    private async Task ConditionalAsync(HttpContext context, JsonObject body)
    {
        var tag = Http.ETag(body.ToJsonString(), context.Bearer());
        context.Response.Headers.ETag = tag;
        if (context.Request.Headers.IfNoneMatch.ToString() != tag)
        {
            await context.WriteAsync(200, body);
            return;
        }

        Interlocked.Increment(ref _remaining);
        context.Response.Headers["x-ratelimit-remaining"] = Volatile.Read(ref _remaining).ToString();
        context.Response.StatusCode = 304;
    }

    private JsonObject Describe(StandInRun run) => new()
    {
        ["id"] = run.Id, ["name"] = "ci", ["run_number"] = 5, ["run_attempt"] = 1, ["event"] = "push", ["status"] = run.Status, ["conclusion"] = null,
        ["head_branch"] = "main", ["head_sha"] = new string('0', 40), ["path"] = ".github/workflows/ci.yml", ["workflow_id"] = 7,
        ["created_at"] = run.Jobs[0].Created.ToString("yyyy-MM-ddTHH:mm:ssZ"), ["updated_at"] = run.Jobs[0].Created.ToString("yyyy-MM-ddTHH:mm:ssZ"),
        ["run_started_at"] = run.Jobs[0].Created.ToString("yyyy-MM-ddTHH:mm:ssZ"), ["html_url"] = new Uri(world.Url, $"/{run.Repository}/actions/runs/{run.Id}").AbsoluteUri,
        ["pull_requests"] = new JsonArray(), ["actor"] = new JsonObject { ["login"] = "dev", ["id"] = 9, ["type"] = "User" },
        ["repository"] = new JsonObject { ["id"] = 10, ["name"] = run.Repository.Split('/')[1], ["full_name"] = run.Repository },
    };

    private static JsonObject Describe(StandInJob job) => new()
    {
        ["id"] = job.Id, ["run_id"] = job.Run.Id, ["run_attempt"] = 1, ["workflow_name"] = "ci", ["name"] = job.Name, ["head_sha"] = new string('0', 40), ["head_branch"] = "main",
        ["status"] = job.Status, ["conclusion"] = job.Conclusion,
        ["created_at"] = job.Created.ToString("yyyy-MM-ddTHH:mm:ssZ"), ["started_at"] = job.Created.ToString("yyyy-MM-ddTHH:mm:ssZ"),
        ["completed_at"] = job.Status == "completed" ? job.Created.ToString("yyyy-MM-ddTHH:mm:ssZ") : null,
        ["labels"] = new JsonArray([.. job.Labels.Select(static l => JsonValue.Create(l))]),
        ["runner_id"] = job.Runner?.Id, ["runner_name"] = job.Runner?.Name ?? (job.Id % 2 == 0 ? "" : null), ["runner_group_id"] = job.Runner?.GroupId, ["runner_group_name"] = null,
        ["steps"] = new JsonArray(),
    };
}

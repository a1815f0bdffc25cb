using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>Checks: what an App may say beside the jobs of a commit. A person may not, with whatever token.</summary>
internal sealed partial class RestApi
{
    private Task GetRunAsync(HttpContext context)
    {
        var id = context.Id("run");
        StandInRun? run;
        lock (world.Gate) run = world.Runs.FirstOrDefault(r => r.Id == id);
        return run is null ? context.RefuseAsync(404, "Not Found") : context.WriteAsync(200, Describe(run));
    }

    private async Task CreateCheckAsync(HttpContext context)
    {
        var body = await context.ReadAsync();
        if (!context.Bearer()!.StartsWith("ghs_", StringComparison.Ordinal))
        {
            await context.RefuseAsync(403, "You must authenticate via a GitHub App.");
            return;
        }

        var output = body!["output"]!;
        var annotation = output["annotations"]!.AsArray().Single()!;
        var check = new StandInCheck(
            $"{context.Path("owner")}/{context.Path("repo")}", body["name"]!.GetValue<string>(), body["head_sha"]!.GetValue<string>(), body["conclusion"]!.GetValue<string>(),
            annotation["path"]!.GetValue<string>(), annotation["message"]!.GetValue<string>());
        if (body["status"]!.GetValue<string>() != "completed" || annotation["annotation_level"]!.GetValue<string>() != "failure" || annotation["start_line"]!.GetValue<int>() < 1)
            world.Requests.Violate($"a check that says {body.ToJsonString()}");
        world.Add(check);
        await context.WriteAsync(201, new JsonObject
        {
            ["id"] = world.NextId(), ["head_sha"] = check.Commit, ["name"] = check.Name, ["status"] = "completed", ["conclusion"] = check.Conclusion,
            ["started_at"] = "2026-11-25T10:00:00Z", ["completed_at"] = "2026-11-25T10:00:01Z", ["pull_requests"] = new JsonArray(),
            ["output"] = new JsonObject { ["title"] = output["title"]!.GetValue<string>(), ["summary"] = output["summary"]!.GetValue<string>(), ["text"] = null, ["annotations_count"] = 1 },
            ["check_suite"] = new JsonObject { ["id"] = 5 }, ["app"] = new JsonObject { ["id"] = 123, ["slug"] = "runnervm", ["name"] = "runnervm", ["owner"] = new JsonObject { ["login"] = "acme", ["id"] = 3 } },
        });
    }
}

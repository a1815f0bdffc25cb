using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>Registrations.</summary>
internal sealed partial class RestApi
{
    private async Task CreateJitRunnerAsync(HttpContext context)
    {
        var body = await context.ReadAsync();
        foreach (var key in (string[])["name", "runner_group_id", "labels"])
        {
            if (body?[key] is not null) continue;
            await context.RefuseAsync(422, $"Invalid input: object is missing required key: {key}");
            return;
        }

        var labels = body!["labels"]!.AsArray().Select(static l => l!.GetValue<string>()).ToList();
        var group = body["runner_group_id"]!.GetValue<long>();
        if (labels.Count is 0 or > 100) await context.RefuseAsync(422, "Invalid input: labels must have 1 to 100 items");
        else if (group == 2) await context.RefuseAsync(403, "Runners cannot be added to this group");
        else if (group != 1) await context.RefuseAsync(404, "Not Found");
        else if (world.AddRunner(Scope(context), body["name"]!.GetValue<string>(), labels, group, null) is not { } runner) await context.RefuseAsync(409, "Already exists - A runner with this name already exists");
        else await context.WriteAsync(201, new JsonObject { ["runner"] = Describe(runner), ["encoded_jit_config"] = JitConfig.Encode(runner, world.RunnerUrl) });
    }

    private async Task ListRunnersAsync(HttpContext context)
    {
        var runners = world.Runners.Where(r => r.Scope == Scope(context)).ToList();
        await context.WriteAsync(200, new JsonObject { ["total_count"] = runners.Count, ["runners"] = new JsonArray([.. Page(context, runners).Select(Describe)]) });
    }

    private async Task DeleteRunnerAsync(HttpContext context)
    {
        var runner = world.FindRunner(r => r.Id == context.Id("id") && r.Scope == Scope(context));
        if (runner is null) await context.RefuseAsync(404, "Not Found");
        else if (runner.Busy) await context.RefuseAsync(422, $"Bad request - Runner \"{runner.Name}\" is still running a job");
        else
        {
            world.Remove(runner);
            context.Response.StatusCode = 204;
        }
    }

    private static JsonObject Describe(StandInRunner runner) => new()
    {
        ["id"] = runner.Id, ["name"] = runner.Name, ["os"] = runner.Online ? "linux" : "unknown", ["status"] = runner.Online ? "online" : "offline",
        ["busy"] = runner.Busy, ["runner_group_id"] = runner.GroupId,
        ["labels"] = new JsonArray([.. runner.Labels.Select(static (l, i) => new JsonObject { ["id"] = i + 1, ["name"] = l, ["type"] = "custom" })]),
    };

    private static IEnumerable<T> Page<T>(HttpContext context, IReadOnlyList<T> all)
    {
        var query = context.Request.Query;
        var size = query.TryGetValue("per_page", out var given) ? int.Parse(given!) : 30;
        var page = query.TryGetValue("page", out var number) ? int.Parse(number!) : 1;
        return all.Skip((page - 1) * size).Take(size);
    }
}

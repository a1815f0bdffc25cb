using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>The service behind scale sets, as its public client knows it: sets, agents, and a session with a queue each.</summary>
internal sealed partial class ScaleSetService(GitHubWorld world)
{
    /// <summary>Where the registration sends clients; a path they must keep.</summary>
    public const string Tenant = "/tenant/abc/";

    private const string Base = "/tenant/abc/_apis";
    private const string Sets = $"{Base}/runtime/runnerscalesets";
    private const string ExceptionNamespace = "GitHub.Actions.Runtime.WebApi.";

    public void Map(WebApplication application)
    {
        application.MapGet(Sets, c => AsAdminAsync(c, ListAsync));
        application.MapPost(Sets, c => AsAdminAsync(c, CreateAsync));
        application.MapGet($"{Sets}/{{set}}", c => OfSetAsync(c, (_, set) => WriteAsync(c, 200, Describe(set))));
        application.MapPatch($"{Sets}/{{set}}", c => OfSetAsync(c, UpdateAsync));
        application.MapDelete($"{Sets}/{{set}}", c => OfSetAsync(c, DeleteAsync));
        application.MapPost($"{Sets}/{{set}}/generatejitconfig", c => OfSetAsync(c, CreateJitRunnerAsync));
        application.MapPost($"{Sets}/{{set}}/sessions", c => OfSetAsync(c, OpenSessionAsync));
        application.MapPatch($"{Sets}/{{set}}/sessions/{{session}}", c => OfSetAsync(c, RefreshSessionAsync));
        application.MapDelete($"{Sets}/{{set}}/sessions/{{session}}", c => OfSetAsync(c, CloseSessionAsync));
        application.MapPost($"{Sets}/{{set}}/acquirejobs", AcquireAsync);
        application.MapGet($"{Base}/runtime/runnergroups/", c => AsAdminAsync(c, ListGroupsAsync));
        application.MapGet($"{Base}/distributedtask/pools/0/agents", c => AsAdminAsync(c, FindAgentAsync));
        application.MapGet($"{Base}/distributedtask/pools/0/agents/{{agent}}", c => AsAdminAsync(c, GetAgentAsync));
        application.MapDelete($"{Base}/distributedtask/pools/0/agents/{{agent}}", c => AsAdminAsync(c, DeleteAgentAsync));
        application.MapGet("/queue/message", PollAsync);
        application.MapDelete("/queue/message/{message}", AcknowledgeAsync);
    }

    private async Task AsAdminAsync(HttpContext context, Func<HttpContext, Task> answer)
    {
        var what = $"{context.Request.Method} {context.Request.Path}";
        if (context.Request.Query["api-version"].ToString() != "6.0-preview") world.Requests.Violate($"{what} without api-version=6.0-preview");
        if (JsonUserAgent(context) is null) world.Requests.Violate($"{what} with the User-Agent '{context.Request.Headers.UserAgent}', which is no JSON of kind scaleset");
        context.Response.Headers["ActivityId"] = Guid.NewGuid().ToString();
        if (!world.Tokens.Holds(context.Bearer(), TokenKind.Admin)) await context.WriteAsync(401, null);
        else await answer(context);
    }

    private Task OfSetAsync(HttpContext context, Func<HttpContext, StandInScaleSet, Task> answer) => AsAdminAsync(context, c =>
        Set(c) is { } set ? answer(c, set) : RefuseAsync(c, 404, "RunnerScaleSetNotFoundException", "No runner scale set found"));

    private StandInScaleSet? Set(HttpContext context) => world.ScaleSets.FirstOrDefault(s => s.Id == context.Id("set"));

    private async Task ListAsync(HttpContext context)
    {
        var (name, group) = (context.Request.Query["name"].ToString(), context.Request.Query["runnerGroupId"].ToString());
        var found = world.ScaleSets.Where(s => s.Name == name && s.GroupId.ToString() == group).ToList();
        await WriteAsync(context, 200, new JsonObject { ["count"] = found.Count, ["value"] = new JsonArray([.. found.Select(Describe)]) });
    }

    private async Task CreateAsync(HttpContext context)
    {
        var body = await context.ReadAsync();
        var name = body!["name"]!.GetValue<string>();
        var set = new StandInScaleSet { Id = world.NextId(), Name = name, GroupId = body["runnerGroupId"]!.GetValue<long>() };
        if (world.ScaleSets.Any(s => s.Name == set.Name && s.GroupId == set.GroupId))
        {
            await RefuseAsync(context, 409, "RunnerScaleSetExistsException", $"Runner scale set {name} already exists");
            return;
        }

        Apply(set, body);
        if (set.Labels.Count == 0) set.Labels = [name];
        world.AddScaleSet(set);
        await WriteAsync(context, 200, Describe(set));
    }

    private async Task UpdateAsync(HttpContext context, StandInScaleSet set)
    {
        Apply(set, (await context.ReadAsync())!);
        await WriteAsync(context, 200, Describe(set));
    }

    private Task DeleteAsync(HttpContext context, StandInScaleSet set)
    {
        set.Deleted = true;
        world.Change();
        context.Response.StatusCode = 204;
        return Task.CompletedTask;
    }

    private async Task CreateJitRunnerAsync(HttpContext context, StandInScaleSet set)
    {
        var name = (await context.ReadAsync())!["name"]!.GetValue<string>();
        if (world.AddRunner("", name, [], set.GroupId, set) is not { } runner) await RefuseAsync(context, 409, "AgentExistsException", $"A runner named {name} already exists");
        else await WriteAsync(context, 200, new JsonObject
        {
            ["runner"] = Describe(runner), ["encodedJITConfig"] = JitConfig.Encode(runner, world.RunnerUrl),
        });
    }

    private Task ListGroupsAsync(HttpContext context)
    {
        var name = context.Request.Query["groupName"].ToString();
        return WriteAsync(context, 200, name == "builders"
            ? new JsonObject { ["count"] = 1, ["value"] = new JsonArray(new JsonObject { ["id"] = 7, ["name"] = name, ["size"] = 0, ["isDefaultGroup"] = false }) }
            : new JsonObject { ["count"] = 0, ["value"] = new JsonArray() });
    }

    private Task FindAgentAsync(HttpContext context)
    {
        var found = world.Runners.Where(r => r.Name == context.Request.Query["agentName"]).ToList();
        return WriteAsync(context, 200, new JsonObject { ["count"] = found.Count, ["value"] = new JsonArray([.. found.Select(Describe)]) });
    }

    private Task GetAgentAsync(HttpContext context) => world.FindRunner(r => r.Id == context.Id("agent")) is { } runner
        ? WriteAsync(context, 200, Describe(runner))
        : RefuseAsync(context, 404, "AgentNotFoundException", "No agent found");

    private Task DeleteAgentAsync(HttpContext context)
    {
        if (world.FindRunner(r => r.Id == context.Id("agent")) is not { } runner) return RefuseAsync(context, 404, "AgentNotFoundException", "No agent found");
        if (runner.Busy) return RefuseAsync(context, 400, "JobStillRunningException", $"Agent {runner.Name} is still running a job");
        world.Remove(runner);
        context.Response.StatusCode = 204;
        return Task.CompletedTask;
    }

    private static void Apply(StandInScaleSet set, JsonNode body)
    {
        if (body["name"] is { } name) set.Name = name.GetValue<string>();
        if (body["runnerGroupId"] is { } group) set.GroupId = group.GetValue<long>();
        if (body["labels"] is JsonArray labels) set.Labels = [.. labels.Select(static l => l!["name"]!.GetValue<string>())];
        if (body["RunnerSetting"]?["disableUpdate"] is { } update) set.DisableUpdate = update.GetValue<bool>();
    }

    private JsonObject Describe(StandInScaleSet set) => new()
    {
        ["id"] = set.Id, ["name"] = set.Name, ["runnerGroupId"] = set.GroupId, ["runnerGroupName"] = set.GroupId == 1 ? "Default" : "builders",
        ["labels"] = new JsonArray([.. set.Labels.Select(static l => new JsonObject { ["id"] = 1, ["type"] = "System", ["name"] = l })]),
        ["RunnerSetting"] = new JsonObject { ["disableUpdate"] = set.DisableUpdate }, ["createdOn"] = "2026-11-23T06:00:00Z", ["statistics"] = Statistics(set),
    };

    private static JsonObject Describe(StandInRunner runner) => new() { ["id"] = runner.Id, ["name"] = runner.Name, ["runnerScaleSetId"] = runner.ScaleSet?.Id ?? 0 };

    private JsonObject Statistics(StandInScaleSet set)
    {
        lock (world.Gate)
        {
            var assigned = world.AssignedNeedsLock(set);
            var runners = world.RunnersNeedsLock(set);
            return new()
            {
                ["totalAvailableJobs"] = set.Offered.Count(static j => j is { Status: "queued", ScaleSet: null }), ["totalAcquiredJobs"] = 0, ["totalAssignedJobs"] = assigned.Count,
                ["totalRunningJobs"] = assigned.Count(static j => j.Status == "in_progress"), ["totalRegisteredRunners"] = runners.Count,
                ["totalBusyRunners"] = runners.Count(static r => r.Busy), ["totalIdleRunners"] = runners.Count(static r => r.Online && !r.Busy),
            };
        }
    }

    private Task WriteAsync(HttpContext context, int status, JsonNode body) => context.WriteAsync(status, body, world.Knobs.ByteOrderMark);

    private Task RefuseAsync(HttpContext context, int status, string type, string message) => WriteAsync(context, status, new JsonObject
    {
        ["typeName"] = $"{ExceptionNamespace}{type}, GitHub.Actions.Runtime.WebApi", ["message"] = message,
    });

    private static JsonNode? JsonUserAgent(HttpContext context)
    {
        try
        {
            return JsonNode.Parse(context.Request.Headers.UserAgent.ToString()) is { } json && json["kind"]?.GetValue<string>() == "scaleset" && json["system"] is not null ? json : null;
        }
        catch (System.Text.Json.JsonException)
        {
            return null;
        }
    }
}

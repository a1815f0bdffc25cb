using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>
/// A job as the official runner executes it. Its last script stands last: the scripted runner looks for nothing else.
/// </summary>
internal static partial class JobMessage
{
    public static JsonObject For(StandInJob job, GitHubWorld world)
    {
        var token = world.Tokens.NewWebToken(TokenKind.Runner, TimeSpan.FromHours(6), $"Actions.Results:{job.PlanGuid}:{job.JobGuid}");
        return new()
        {
            ["messageType"] = "RunnerJobRequest", ["jobId"] = job.JobGuid.ToString(), ["jobDisplayName"] = job.Name, ["jobName"] = job.Name, ["requestId"] = job.Id,
            ["lockedUntil"] = "0001-01-01T00:00:00", ["workspace"] = new JsonObject(), ["fileTable"] = new JsonArray(".github/workflows/ci.yml"),
            ["mask"] = new JsonArray([.. job.Work.Secrets.Values.Select(static s => new JsonObject { ["type"] = "regex", ["value"] = Regex.Escape(s) })]),
            ["plan"] = new JsonObject { ["scopeIdentifier"] = Guid.NewGuid().ToString(), ["planType"] = "free", ["version"] = 12, ["planId"] = job.PlanGuid.ToString(), ["planGroup"] = "free" },
            ["timeline"] = new JsonObject { ["id"] = Guid.NewGuid().ToString(), ["changeId"] = 1 },
            ["resources"] = new JsonObject { ["endpoints"] = new JsonArray(Endpoint(token, world)) },
            ["variables"] = Variables(job, world),
            ["environmentVariables"] = new JsonArray(Mapping(job.Work.Environment)),
            ["jobOutputs"] = Mapping(job.Work.Outputs),
            ["contextData"] = Context(job, world),
            ["steps"] = new JsonArray([.. job.Work.Steps.Select(Step)]),
        };
    }

    private static JsonObject Endpoint(string token, GitHubWorld world) => new()
    {
        ["name"] = "SystemVssConnection", ["url"] = new Uri(world.RunnerUrl, "/run/").AbsoluteUri, ["isShared"] = false, ["isReady"] = true,
        ["data"] = new JsonObject { ["FeedStreamUrl"] = new UriBuilder(world.RunnerUrl) { Scheme = "ws", Path = "/feed" }.Uri.AbsoluteUri },
        ["authorization"] = new JsonObject { ["scheme"] = "OAuth", ["parameters"] = new JsonObject { ["AccessToken"] = token } },
    };

    private static JsonObject Variables(StandInJob job, GitHubWorld world)
    {
        var variables = new JsonObject
        {
            ["system.github.job"] = Variable(job.Name), ["system.github.results_endpoint"] = Variable(new Uri(world.RunnerUrl, "/results/").AbsoluteUri),
            ["system.github.token"] = Secret("ghs_of_the_job"), ["system.runnerGroupName"] = Variable("Default"),
        };
        foreach (var (name, value) in job.Work.Secrets) variables[name] = Secret(value);
        return variables;
    }

    private static JsonObject Context(StandInJob job, GitHubWorld world) => new()
    {
        ["github"] = Dictionary(
            ("repository", job.Run.Repository), ("repository_owner", job.Run.Repository.Split('/')[0]), ("workflow", "ci"), ("event_name", "push"), ("ref", "refs/heads/main"),
            ("sha", new string('0', 40)), ("run_id", job.Run.Id.ToString()), ("run_number", "5"), ("run_attempt", "1"), ("server_url", world.Url.AbsoluteUri), ("api_url", world.Url.AbsoluteUri + "api/v3")),
        ["matrix"] = Dictionary(), ["needs"] = Dictionary(), ["inputs"] = Dictionary(), ["vars"] = Dictionary(), ["strategy"] = Dictionary(),
    };

    private static JsonObject Step(StandInStep step) => new()
    {
        ["type"] = "action", ["id"] = Guid.NewGuid().ToString(), ["name"] = step.Id ?? "__run", ["contextName"] = step.Id ?? "__run", ["condition"] = step.If, ["displayNameToken"] = step.Name,
        ["reference"] = step.Uses is { } action
            ? new JsonObject { ["type"] = "repository", ["repositoryType"] = "self", ["path"] = action }
            : new JsonObject { ["type"] = "script" },
        ["environment"] = Mapping(step.Environment),
        ["inputs"] = Mapping(step.Uses is null ? new Dictionary<string, string> { ["script"] = step.Script } : []),
    };

    private static JsonObject Variable(string value) => new() { ["value"] = value };

    private static JsonObject Secret(string value) => new() { ["value"] = value, ["isSecret"] = true };

    /// <summary>A mapping of a workflow file, as the runner's template tokens have it.</summary>
    private static JsonObject Mapping(IReadOnlyDictionary<string, string> entries) => new()
    {
        ["type"] = 2, ["map"] = new JsonArray([.. entries.Select(static e => new JsonObject { ["key"] = e.Key, ["value"] = Token(e.Value) })]),
    };

    private static JsonNode Token(string text) => Expression().Match(text) is { Success: true } match
        ? new JsonObject { ["type"] = 3, ["expr"] = match.Groups[1].Value }
        : JsonValue.Create(text);

    private static JsonObject Dictionary(params (string Key, string Value)[] entries) => new()
    {
        ["t"] = 2, ["d"] = new JsonArray([.. entries.Select(static e => new JsonObject { ["k"] = e.Key, ["v"] = e.Value })]),
    };

    [GeneratedRegex(@"^\$\{\{\s*(.*?)\s*\}\}$", RegexOptions.Singleline)]
    private static partial Regex Expression();
}

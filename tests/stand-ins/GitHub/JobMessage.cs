using System.Text.Json.Nodes;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>The least of a job message that the official runner executes: one script.</summary>
internal static class JobMessage
{
    public static JsonObject For(StandInJob job, GitHubWorld world)
    {
        var token = world.Tokens.NewWebToken(TokenKind.Runner, TimeSpan.FromHours(6));
        var (owner, repository) = (job.Run.Repository.Split('/')[0], job.Run.Repository);
        return new()
        {
            ["messageType"] = "RunnerJobRequest", ["jobId"] = job.JobGuid.ToString(), ["jobDisplayName"] = job.Name, ["jobName"] = job.Name, ["requestId"] = job.Id,
            ["lockedUntil"] = "0001-01-01T00:00:00", ["workspace"] = new JsonObject(), ["fileTable"] = new JsonArray(".github/workflows/ci.yml"), ["mask"] = new JsonArray(),
            ["plan"] = new JsonObject { ["scopeIdentifier"] = Guid.NewGuid().ToString(), ["planType"] = "free", ["version"] = 12, ["planId"] = job.PlanGuid.ToString(), ["planGroup"] = "free" },
            ["timeline"] = new JsonObject { ["id"] = Guid.NewGuid().ToString(), ["changeId"] = 1 },
            ["resources"] = new JsonObject
            {
                ["endpoints"] = new JsonArray(new JsonObject
                {
                    ["name"] = "SystemVssConnection", ["url"] = new Uri(world.RunnerUrl, "/run/").AbsoluteUri, ["isShared"] = false, ["isReady"] = true, ["data"] = new JsonObject(),
                    ["authorization"] = new JsonObject { ["scheme"] = "OAuth", ["parameters"] = new JsonObject { ["AccessToken"] = token } },
                }),
            },
            ["variables"] = new JsonObject
            {
                ["system.github.job"] = Variable(job.Name), ["system.github.results_endpoint"] = Variable(new Uri(world.RunnerUrl, "/results/").AbsoluteUri),
                ["system.github.token"] = new JsonObject { ["value"] = "ghs_of_the_job", ["isSecret"] = true }, ["system.runnerGroupName"] = Variable("Default"),
            },
            ["contextData"] = new JsonObject
            {
                ["github"] = Dictionary(
                    ("repository", repository), ("repository_owner", owner), ("workflow", "ci"), ("event_name", "push"), ("ref", "refs/heads/main"), ("sha", new string('0', 40)),
                    ("run_id", job.Run.Id.ToString()), ("run_number", "5"), ("run_attempt", "1"), ("server_url", world.Url.AbsoluteUri), ("api_url", world.Url.AbsoluteUri + "api/v3")),
                ["matrix"] = Dictionary(), ["needs"] = Dictionary(), ["inputs"] = Dictionary(), ["vars"] = Dictionary(), ["strategy"] = Dictionary(),
            },
            ["steps"] = new JsonArray(new JsonObject
            {
                ["type"] = "action", ["id"] = Guid.NewGuid().ToString(), ["name"] = "__run", ["contextName"] = "__run", ["condition"] = "success()", ["displayNameToken"] = "Run it",
                ["reference"] = new JsonObject { ["type"] = "script" },
                ["inputs"] = new JsonObject { ["type"] = 2, ["map"] = new JsonArray(new JsonObject { ["key"] = "script", ["value"] = job.Script }) },
            }),
        };
    }

    private static JsonObject Variable(string value) => new() { ["value"] = value };

    private static JsonObject Dictionary(params (string Key, string Value)[] entries) => new()
    {
        ["t"] = 2, ["d"] = new JsonArray([.. entries.Select(static e => new JsonObject { ["k"] = e.Key, ["v"] = e.Value })]),
    };
}

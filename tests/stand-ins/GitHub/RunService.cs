using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>Where a runner gets the job that was announced to it, says every minute that it has it, and tells how it went.</summary>
internal sealed class RunService(GitHubWorld world)
{
    public void Map(WebApplication application)
    {
        application.MapPost("/run/acquirejob", c => world.AsRunnerAsync(c, AcquireAsync));
        application.MapPost("/run/renewjob", c => OfJobAsync(c, RenewAsync));
        application.MapPost("/run/completejob", c => OfJobAsync(c, CompleteAsync));
    }

    /// <summary>What a runner is told before it has the job.</summary>
    public static string RequestOf(StandInJob job) => $"rr-{job.Id}";

    private async Task AcquireAsync(HttpContext context, StandInRunner runner)
    {
        var asked = (await context.ReadAsync())?["jobMessageId"]?.GetValue<string>();
        if (runner.Job is not { } job || asked != RequestOf(job))
        {
            await NoSuchJobAsync(context);
            return;
        }

        world.Start(job);
        await context.WriteAsync(200, JobMessage.For(job, world));
    }

    /// <summary>Both calls name the job and its plan, and come with a token that is the runner's or the job's.</summary>
    private async Task OfJobAsync(HttpContext context, Func<HttpContext, StandInJob, JsonNode, Task> answer)
    {
        var body = await context.ReadAsync();
        var job = world.FindJob(body?["jobId"]?.GetValue<string>());
        if (!world.Tokens.Holds(context.Bearer(), TokenKind.Runner)) await context.WriteAsync(401, null);
        else if (job is null) await NoSuchJobAsync(context);
        else await answer(context, job, body!);
    }

    private static async Task RenewAsync(HttpContext context, StandInJob job, JsonNode body)
    {
        if (job.Status == "completed")
        {
            await NoSuchJobAsync(context);
            return;
        }

        job.Renewals++;
        await context.WriteAsync(200, new JsonObject { ["lockedUntil"] = "2040-01-01T00:00:00Z" });
    }

    private Task CompleteAsync(HttpContext context, StandInJob job, JsonNode body)
    {
        if (body["outputs"] is JsonObject outputs)
            job.Outputs = outputs.ToDictionary(static o => o.Key, static o => o.Value?["value"]?.GetValue<string>() ?? "");
        if (body["stepResults"] is JsonArray steps) job.Steps = [.. steps.Select(static s => Step(s!))];
        world.Complete(job, body["conclusion"]!.GetValue<string>().ToLowerInvariant() switch { "succeeded" => "success", "failed" => "failure", _ => "cancelled" });
        context.Response.StatusCode = 200;
        return Task.CompletedTask;
    }

    private static StandInStepResult Step(JsonNode step) =>
        new(step["external_id"]!.GetValue<string>(), step["number"]!.GetValue<int>(), step["name"]!.GetValue<string>(), step["conclusion"]?.GetValue<string>().ToLowerInvariant());

    private static Task NoSuchJobAsync(HttpContext context) =>
        context.WriteAsync(404, new JsonObject { ["source"] = "actions-run-service", ["statusCode"] = 404, ["errorMessage"] = "no such job" });
}

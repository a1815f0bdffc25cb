using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>
/// What a registered runner talks to: a token, a session, its one job, and where results go. The official runner is handed
/// a whole job; a scripted one may take fewer steps.
/// </summary>
internal sealed class Broker(GitHubWorld world)
{
    public void Map(WebApplication application)
    {
        application.MapPost("/oauth/token", TokenAsync);
        application.MapPost("/broker/session", c => AsRunnerAsync(c, OpenSessionAsync));
        application.MapDelete("/broker/session", c => AsRunnerAsync(c, CloseSessionAsync));
        application.MapGet("/broker/message", c => AsRunnerAsync(c, PollAsync));
        application.MapPost("/broker/acknowledge", c => AsRunnerAsync(c, static (c, _) => c.WriteAsync(200, new JsonObject())));
        application.MapPost("/run/acquirejob", c => AsRunnerAsync(c, AcquireAsync));
        application.MapPost("/run/renewjob", c => c.WriteAsync(200, new JsonObject { ["lockedUntil"] = "2040-01-01T00:00:00Z" }));
        application.MapPost("/run/completejob", CompleteAsync);
        application.MapPost("/results/twirp/{service}/{call}", ResultsAsync);
        application.MapPut("/blob/{job}", StoreLogAsync);
    }

    private async Task AsRunnerAsync(HttpContext context, Func<HttpContext, StandInRunner, Task> answer)
    {
        var runner = world.Tokens.Holds(context.Bearer(), TokenKind.Runner) && world.RunnerTokens.TryGetValue(context.Bearer()!, out var id) ? world.FindRunner(r => r.Id == id) : null;
        if (runner is not null)
        {
            runner.Heard = Environment.TickCount64;
            await answer(context, runner);
            runner.Heard = Environment.TickCount64;
        }
        else await context.WriteAsync(404, new JsonObject { ["source"] = "actions-broker-listener", ["errorKind"] = "RunnerNotFound", ["statusCode"] = 404, ["errorMessage"] = "gone" });
    }

    /// <summary>The official runner proves who it is by a signed assertion, a scripted one by its client id alone.</summary>
    private async Task TokenAsync(HttpContext context)
    {
        var form = await context.Request.ReadFormAsync();
        var client = form.TryGetValue("client_assertion", out var assertion) ? Subject(assertion.ToString()) : form["client_id"].ToString();
        if (form["grant_type"] != "client_credentials" || world.FindRunner(r => r.ClientId.ToString() == client) is not { } runner)
        {
            await context.WriteAsync(400, new JsonObject { ["error"] = "invalid_client" });
            return;
        }

        var token = world.Tokens.NewWebToken(TokenKind.Runner, TimeSpan.FromHours(1));
        world.RunnerTokens[token] = runner.Id;
        await context.WriteAsync(200, new JsonObject { ["access_token"] = token, ["expires_in"] = 3600, ["token_type"] = "bearer" });
    }

    private async Task OpenSessionAsync(HttpContext context, StandInRunner runner)
    {
        var agent = (await context.ReadAsync())?["agent"];
        if (runner.Session is not null)
        {
            await context.WriteAsync(409, new JsonObject { ["source"] = "actions-broker-listener", ["statusCode"] = 409, ["errorMessage"] = "session conflict" });
            return;
        }

        runner.Session = Guid.NewGuid();
        await context.WriteAsync(200, new JsonObject { ["sessionId"] = runner.Session.ToString(), ["ownerName"] = runner.Name, ["agent"] = agent?.DeepClone(), ["useFipsEncryption"] = false });
    }

    private Task CloseSessionAsync(HttpContext context, StandInRunner runner)
    {
        runner.Session = null;
        context.Response.StatusCode = 200;
        return Task.CompletedTask;
    }

    private async Task PollAsync(HttpContext context, StandInRunner runner)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, world.Ended);
        end.CancelAfter(world.Knobs.PollTime);
        if (!runner.Online)
        {
            runner.Online = true;
            world.Change();
        }

        while (true)
        {
            var changed = world.ChangedAsync();
            if (Next(runner) is { } message)
            {
                await context.WriteAsync(200, message);
                return;
            }

            await changed.WaitAsync(end.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!end.IsCancellationRequested) continue;
            context.Response.StatusCode = 202;
            return;
        }
    }

    private JsonObject? Next(StandInRunner runner)
    {
        if (runner.Job is { CancelAsked: true, Status: "in_progress" } cancelled)
        {
            cancelled.CancelAsked = false;
            return Message(2, "JobCancellation", new() { ["jobId"] = cancelled.JobGuid.ToString(), ["timeout"] = "00:05:00" });
        }

        return world.Take(runner) is not { } job ? null : Message(1, "RunnerJobRequest", new()
        {
            ["id"] = $"m{job.Id}", ["runner_request_id"] = $"rr-{job.Id}", ["run_service_url"] = new Uri(world.RunnerUrl, "/run/").AbsoluteUri,
            ["should_acknowledge"] = true, ["billing_owner_id"] = "o1",
        });
    }

    private async Task AcquireAsync(HttpContext context, StandInRunner runner)
    {
        var asked = (await context.ReadAsync())?["jobMessageId"]?.GetValue<string>();
        if (runner.Job is not { } job || asked != $"rr-{job.Id}")
        {
            await context.WriteAsync(404, new JsonObject { ["source"] = "actions-run-service", ["statusCode"] = 404, ["errorMessage"] = "no such job" });
            return;
        }

        world.Start(job);
        await context.WriteAsync(200, JobMessage.For(job, world));
    }

    private async Task CompleteAsync(HttpContext context)
    {
        var body = await context.ReadAsync();
        var id = body?["jobId"]?.GetValue<string>();
        if (world.Runs.SelectMany(static r => r.Jobs).FirstOrDefault(j => j.JobGuid.ToString() == id) is not { } job)
        {
            context.Response.StatusCode = 404;
            return;
        }

        world.Complete(job, body!["conclusion"]!.GetValue<string>().ToLowerInvariant() switch { "succeeded" => "success", "failed" => "failure", _ => "cancelled" });
        context.Response.StatusCode = 200;
    }

    /// <summary>Every results call: a place for logs, or a nod.</summary>
    private async Task ResultsAsync(HttpContext context)
    {
        var body = await context.ReadAsync();
        var job = body?["workflow_job_run_backend_id"]?.GetValue<string>();
        var place = new Uri(world.RunnerUrl, $"/blob/{job}").AbsoluteUri;
        await context.WriteAsync(200, context.Path("call") switch
        {
            "GetStepLogsSignedBlobURL" or "GetJobLogsSignedBlobURL" => new JsonObject { ["logs_url"] = place, ["blob_storage_type"] = "BLOB_STORAGE_TYPE_AZURE", ["soft_size_limit"] = 1 << 20 },
            "GetStepSummarySignedBlobURL" => new JsonObject { ["summary_url"] = place, ["blob_storage_type"] = "BLOB_STORAGE_TYPE_AZURE", ["soft_size_limit"] = 1 << 20 },
            _ => new JsonObject { ["ok"] = true },
        });
    }

    private async Task StoreLogAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body);
        var text = await reader.ReadToEndAsync(context.RequestAborted);
        if (world.Runs.SelectMany(static r => r.Jobs).FirstOrDefault(j => j.JobGuid.ToString() == context.Path("job")) is { } job) job.Log += text;
        context.Response.StatusCode = 201;
    }

    private static JsonObject Message(long id, string type, JsonObject body) => new() { ["messageId"] = id, ["messageType"] = type, ["body"] = body.ToJsonString() };

    private static string? Subject(string assertion)
    {
        var parts = assertion.Split('.');
        if (parts.Length != 3) return null;
        return JsonNode.Parse(Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(parts[1])))?["sub"]?.GetValue<string>();
    }
}

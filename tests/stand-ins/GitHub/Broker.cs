using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>What a registered runner talks to first: a token, a session, and the message that says where its one job is.</summary>
internal sealed class Broker(GitHubWorld world)
{
    public void Map(WebApplication application)
    {
        application.MapPost("/oauth/token", TokenAsync);
        application.MapPost("/broker/session", c => world.AsRunnerAsync(c, OpenSessionAsync));
        application.MapDelete("/broker/session", c => world.AsRunnerAsync(c, CloseSessionAsync));
        application.MapGet("/broker/message", c => world.AsRunnerAsync(c, PollAsync));
        application.MapPost("/broker/acknowledge", c => world.AsRunnerAsync(c, AcknowledgeAsync));
    }

    /// <summary>The official runner proves who it is by an assertion it signs, a scripted one by its client id alone.</summary>
    private async Task TokenAsync(HttpContext context)
    {
        var form = await context.Request.ReadFormAsync();
        var client = form.TryGetValue("client_assertion", out var assertion) ? RunnerAssertion.Subject(assertion.ToString(), world) : form["client_id"].ToString();
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

        (runner.Session, runner.Version) = (Guid.NewGuid(), agent?["version"]?.GetValue<string>());
        await context.WriteAsync(200, new JsonObject { ["sessionId"] = runner.Session.ToString(), ["ownerName"] = runner.Name, ["agent"] = agent?.DeepClone(), ["useFipsEncryption"] = false });
    }

    private Task CloseSessionAsync(HttpContext context, StandInRunner runner)
    {
        runner.Session = null;
        context.Response.StatusCode = 200;
        return Task.CompletedTask;
    }

    private async Task AcknowledgeAsync(HttpContext context, StandInRunner runner)
    {
        var request = (await context.ReadAsync())?["runnerRequestId"]?.GetValue<string>();
        if (runner.Job is { } job && request != RunService.RequestOf(job)) world.Requests.Violate($"acknowledged {request}, which {runner.Name} was not given");
        await context.WriteAsync(200, new JsonObject());
    }

    private async Task PollAsync(HttpContext context, StandInRunner runner)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, world.Ended);
        end.CancelAfter(world.Knobs.RunnerPollTime ?? world.Knobs.PollTime);
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
            ["id"] = $"m{job.Id}", ["runner_request_id"] = RunService.RequestOf(job), ["run_service_url"] = new Uri(world.RunnerUrl, "/run/").AbsoluteUri,
            ["should_acknowledge"] = true, ["billing_owner_id"] = "o1",
        });
    }

    private static JsonObject Message(long id, string type, JsonObject body) => new() { ["messageId"] = id, ["messageType"] = type, ["body"] = body.ToJsonString() };
}

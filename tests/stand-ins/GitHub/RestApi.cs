using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>The REST API below /api/v3, as an Enterprise Server has it.</summary>
internal sealed partial class RestApi(GitHubWorld world)
{
    private const string Base = "/api/v3";
    private static readonly string[] Scopes = ["repos/{owner}/{repo}", "orgs/{org}", "enterprises/{enterprise}"];

    private int _remaining = 5000;

    public void Map(WebApplication application)
    {
        foreach (var scope in Scopes)
        {
            application.MapPost($"{Base}/{scope}/actions/runners/registration-token", c => AsTokenAsync(c, CreateRegistrationTokenAsync));
            application.MapPost($"{Base}/{scope}/actions/runners/generate-jitconfig", c => AsTokenAsync(c, CreateJitRunnerAsync));
            application.MapGet($"{Base}/{scope}/actions/runners", c => AsTokenAsync(c, ListRunnersAsync));
            application.MapDelete($"{Base}/{scope}/actions/runners/{{id}}", c => AsTokenAsync(c, DeleteRunnerAsync));
            application.MapGet($"{Base}/{scope}/installation", c => AsAppAsync(c, FindInstallationAsync));
        }

        application.MapGet($"{Base}/repos/{{owner}}/{{repo}}/actions/runs", c => AsTokenAsync(c, ListRunsAsync));
        application.MapGet($"{Base}/repos/{{owner}}/{{repo}}/actions/runs/{{run}}/jobs", c => AsTokenAsync(c, ListJobsAsync));
        application.MapGet($"{Base}/repos/{{owner}}/{{repo}}/actions/runs/{{run}}", c => AsTokenAsync(c, GetRunAsync));
        application.MapPost($"{Base}/repos/{{owner}}/{{repo}}/check-runs", c => AsTokenAsync(c, CreateCheckAsync));
        application.MapPost($"{Base}/app/installations/{{id}}/access_tokens", c => AsAppAsync(c, CreateInstallationTokenAsync));
        application.MapPost($"{Base}/actions/runner-registration", RegisterAsync);
    }

    private async Task AsTokenAsync(HttpContext context, Func<HttpContext, Task> answer)
    {
        if (!await IsWellFormedAsync(context)) return;
        if (!world.Tokens.Holds(context.Bearer(), TokenKind.Rest)) await context.RefuseAsync(401, "Bad credentials");
        else if (!await IsOverLimitAsync(context)) await answer(context);
    }

    private async Task AsAppAsync(HttpContext context, Func<HttpContext, StandInApp, Task> answer)
    {
        if (!await IsWellFormedAsync(context)) return;
        var (app, refusal) = world.Tokens.Identify(context.Bearer() ?? "");
        if (app is null) await context.RefuseAsync(401, refusal);
        else await answer(context, app);
    }

    private async Task<bool> IsWellFormedAsync(HttpContext context)
    {
        var headers = context.Request.Headers;
        var what = $"{context.Request.Method} {context.Request.Path}";
        if (headers["X-GitHub-Api-Version"].ToString() != "2022-11-28") world.Requests.Violate($"{what} with X-GitHub-Api-Version '{headers["X-GitHub-Api-Version"]}'");
        if (!headers.Accept.ToString().Contains("application/vnd.github", StringComparison.Ordinal)) world.Requests.Violate($"{what} accepts '{headers.Accept}'");
        if (headers.UserAgent.Count > 0) return true;
        await context.RefuseAsync(403, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header");
        return false;
    }

    private async Task<bool> IsOverLimitAsync(HttpContext context)
    {
        var headers = context.Response.Headers;
        var remaining = world.RateLimitRemaining ?? Interlocked.Decrement(ref _remaining);
        headers["x-ratelimit-limit"] = "5000";
        headers["x-ratelimit-remaining"] = Math.Max(remaining, 0).ToString();
        headers["x-ratelimit-reset"] = (world.Time.GetUtcNow() + TimeSpan.FromMinutes(20)).ToUnixTimeSeconds().ToString();
        headers["x-ratelimit-resource"] = "core";
        if (remaining > 0) return false;
        await context.RefuseAsync(403, "API rate limit exceeded for installation ID 44.");
        return true;
    }

    private async Task FindInstallationAsync(HttpContext context, StandInApp app)
    {
        if (!app.Scopes.TryGetValue(Scope(context), out var id))
        {
            await context.RefuseAsync(404, "Not Found");
            return;
        }

        var permissions = new JsonObject { ["metadata"] = "read" };
        if (app.RunnerAccess is not null) permissions[Scope(context).StartsWith("orgs/", StringComparison.Ordinal) ? "organization_self_hosted_runners" : "administration"] = app.RunnerAccess;
        await context.WriteAsync(200, new JsonObject
        {
            ["id"] = id, ["app_id"] = app.AppId, ["target_id"] = 3, ["target_type"] = "Organization", ["repository_selection"] = "all",
            ["permissions"] = permissions, ["events"] = new JsonArray(), ["suspended_at"] = app.Suspended ? "2026-01-02T03:04:05Z" : null,
            ["account"] = new JsonObject { ["login"] = "acme", ["id"] = 3 },
        });
    }

    private async Task CreateInstallationTokenAsync(HttpContext context, StandInApp app)
    {
        if (world.Tokens.Installed(context.Id("id")) != app)
        {
            await context.RefuseAsync(404, "Not Found");
            return;
        }

        var (token, expires) = world.Tokens.ForInstallation(TimeSpan.FromHours(1));
        await context.WriteAsync(201, new JsonObject
        {
            ["token"] = token, ["expires_at"] = expires.ToString("yyyy-MM-ddTHH:mm:ssZ"), ["repository_selection"] = "all",
            ["permissions"] = new JsonObject { ["metadata"] = "read" },
        });
    }

    private Task CreateRegistrationTokenAsync(HttpContext context) => context.WriteAsync(201, new JsonObject
    {
        ["token"] = world.Tokens.New(TokenKind.Registration, "AAAA", TimeSpan.FromHours(1)),
        ["expires_at"] = (world.Time.GetUtcNow() + TimeSpan.FromHours(1)).ToString("yyyy-MM-ddTHH:mm:sszzz"),
    });

    /// <summary>The door to the scale set service.</summary>
    private async Task RegisterAsync(HttpContext context)
    {
        var body = await context.ReadAsync();
        if (!world.Tokens.Holds(context.Scheme("RemoteAuth"), TokenKind.Registration)) await context.RefuseAsync(401, "Bad credentials");
        else if (body?["runner_event"]?.GetValue<string>() != "register" || body["url"]?.GetValue<string>().StartsWith(world.Url.AbsoluteUri, StringComparison.Ordinal) != true)
            await context.RefuseAsync(422, "Invalid request");
        else
        {
            await context.WriteAsync(200, new JsonObject
            {
                ["url"] = new Uri(world.Url, ScaleSetService.Tenant).AbsoluteUri, ["token_schema"] = "OAuthAccessToken",
                ["token"] = world.Tokens.NewWebToken(TokenKind.Admin, world.Knobs.AdminTokenLifetime),
            }, world.Knobs.ByteOrderMark);
        }
    }

    private static string Scope(HttpContext context)
    {
        var values = context.Request.RouteValues;
        if (values.TryGetValue("org", out var org)) return $"orgs/{org}";
        return values.TryGetValue("enterprise", out var enterprise) ? $"enterprises/{enterprise}" : $"repos/{values["owner"]}/{values["repo"]}";
    }
}

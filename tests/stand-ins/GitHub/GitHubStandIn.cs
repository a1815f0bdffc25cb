using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>
/// A GitHub for tests, on one loopback port: REST (Apps, runners, runs, jobs, ETags, rate limits), the scale set service and
/// the broker that hands a runner its job. Strict where GitHub is, about tokens and headers above all: what it had to refuse
/// stands in <see cref="Violations"/>.
/// </summary>
public sealed class GitHubStandIn : IAsyncDisposable
{
    private readonly WebApplication _application;

    private GitHubStandIn(WebApplication application, GitHubWorld world) => (_application, World) = (application, world);

    /// <summary>Jobs, runners, tokens: what there is to see and to change.</summary>
    public GitHubWorld World { get; }

    /// <summary>What goes wrong on purpose.</summary>
    public Knobs Knobs => World.Knobs;

    /// <summary>As a configuration names it, without path: http://127.0.0.1:PORT.</summary>
    public Uri Url => World.Url;

    /// <summary>Requests no client of GitHub should send, one sentence each.</summary>
    public IReadOnlyList<string> Violations => World.Requests.Violations;

    /// <param name="listen">Null: any free port of 127.0.0.1.</param>
    /// <param name="time">The clock tokens are judged by.</param>
    public static async Task<GitHubStandIn> StartAsync(TimeProvider? time = null, IPEndPoint? listen = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(options => options.Listen(listen ?? new(IPAddress.Loopback, 0)));
        var application = builder.Build();
        var world = new GitHubWorld(time ?? TimeProvider.System);
        application.Use((context, next) => ServeAsync(context, next, world));
        new RestApi(world).Map(application);
        new ScaleSetService(world).Map(application);
        new Broker(world).Map(application);
        new RunService(world).Map(application);
        new ResultsService(world).Map(application);
        new LiveFeed(world).Map(application);
        world.Releases.Map(application, world);
        await application.StartAsync();
        world.Url = new(application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        return new(application, world);
    }

    public async ValueTask DisposeAsync()
    {
        World.Dispose();
        await _application.DisposeAsync();
    }

    private static async Task ServeAsync(HttpContext context, RequestDelegate next, GitHubWorld world)
    {
        context.Response.Headers.Date = world.Time.GetUtcNow().ToString("R", CultureInfo.InvariantCulture);
        var entry = new Exchange(context.Request.Method, context.Request.Path + context.Request.QueryString);
        if (context.Request.Headers.UserAgent.Count == 0) world.Requests.Violate($"{entry.Method} {entry.Target} without User-Agent");
        try
        {
            if (world.Knobs.Away) context.Abort();
            else if (world.Knobs.TakeFault(context.Request.Path) is { } fault) await fault.AnswerAsync(context);
            else await next(context);
        }
        catch (OperationCanceledException)
        {
            // The client went away, or the test is over.
        }
        finally
        {
            world.Requests.Add(entry with { Status = context.Response.StatusCode });
        }
    }
}

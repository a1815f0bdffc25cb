using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>What runners say of themselves and of their jobs.</summary>
public sealed partial class GitHubWorld
{
    private readonly List<string> _fed = [];

    /// <summary>Lines that came while their jobs ran.</summary>
    public IReadOnlyList<string> Fed
    {
        get
        {
            lock (Gate) return [.. _fed];
        }
    }

    /// <summary>A new runner of repository or organization, and what it needs to connect.</summary>
    /// <param name="scope"><c>orgs/acme</c>, <c>repos/acme/app</c>.</param>
    public string Register(string scope, string name, params string[] labels)
    {
        var runner = AddRunner(scope, name, labels, 1, null) ?? throw new InvalidOperationException($"There is a runner {name}.");
        return JitConfig.Encode(runner, RunnerUrl);
    }

    /// <summary>What was uploaded of a step; null: nothing.</summary>
    public string? LogOf(StandInJob job, string step)
    {
        lock (Gate) return job.Steps.FirstOrDefault(s => s.Name == step) is { } found ? job.Blobs.GetValueOrDefault(found.Id) : null;
    }

    /// <summary>Answers as the broker does to whoever has a runner's token.</summary>
    internal async Task AsRunnerAsync(HttpContext context, Func<HttpContext, StandInRunner, Task> answer)
    {
        var runner = Tokens.Holds(context.Bearer(), TokenKind.Runner) && RunnerTokens.TryGetValue(context.Bearer()!, out var id) ? Connected(id) : null;
        if (runner is null)
        {
            await context.WriteAsync(404, new JsonObject { ["source"] = "actions-broker-listener", ["errorKind"] = "RunnerNotFound", ["statusCode"] = 404, ["errorMessage"] = "gone" });
            return;
        }

        runner.Heard = Environment.TickCount64;
        await answer(context, runner);
        runner.Heard = Environment.TickCount64;
    }

    /// <summary>A registered one, or one whose job is over and that has not left yet: told that it is gone, it would call that job cancelled.</summary>
    private StandInRunner? Connected(long id)
    {
        lock (Gate) return _runners.Find(r => r.Id == id && (!r.Removed || r is { Session: not null, Job.Status: "completed" }));
    }

    internal StandInJob? FindJob(string? guid)
    {
        lock (Gate) return _runs.SelectMany(static r => r.Jobs).FirstOrDefault(j => j.JobGuid.ToString() == guid);
    }

    /// <summary>A step begins or ends.</summary>
    internal void Tell(StandInJob job, StandInStepResult step)
    {
        lock (Gate)
        {
            job.Steps = [.. job.Steps.Where(s => s.Id != step.Id).Append(step).OrderBy(static s => s.Number)];
            Change();
        }
    }

    internal void Store(StandInJob job, string blob, string text, bool appends)
    {
        lock (Gate) job.Blobs[blob] = appends ? job.Blobs.GetValueOrDefault(blob) + text : text;
    }

    internal void Feed(string line)
    {
        lock (Gate)
        {
            _fed.Add(line);
            Change();
        }
    }
}

using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitHub;

/// <summary>A GitHub that is not well: jobs that run go on, and those that wait are taken when it is back.</summary>
public sealed class TroubleTests
{
    private const int Timeout = 90_000;

    [Fact(Timeout = Timeout)]
    public async Task A_GitHub_that_is_away_costs_no_job_and_none_runs_twice()
    {
        await using var bench = await GitHubBench.StartAsync();
        var running = bench.RunAsync();
        var before = bench.Queue("wait");
        await bench.UntilAsync(() => before.Status == "in_progress", "the job's start");
        var asked = bench.World.Requests.Exchanges.Count;
        bench.Server.Knobs.Away = true;
        var meanwhile = bench.Queue();
        // The listener's tries, each after a longer pause.
        await bench.UntilAsync(() => bench.World.Requests.Exchanges.Skip(asked).Count(static e => e.Target.Contains("/queue/", StringComparison.Ordinal)) >= 3, "tries while it is away");
        bench.Server.Knobs.Away = false;
        await bench.EndedAsync(meanwhile);
        Assert.Equal("in_progress", before.Status);
        bench.World.Cancel(before);
        await bench.EndedAsync(before);
        await bench.DrainAsync(running);
        Assert.Equal((1, 1, "success"), (before.Starts, meanwhile.Starts, meanwhile.Conclusion));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_session_that_somebody_else_has_at_the_start_is_waited_for_and_told()
    {
        await using var bench = await GitHubBench.StartAsync();
        bench.Server.Knobs.SessionConflicts = 1;
        var running = bench.RunAsync();
        var job = bench.Queue();
        await bench.UntilAsync(() => bench.Log.Lines.Any(static line => line.Contains("already has an active session", StringComparison.Ordinal)), "the sentence");
        await bench.EndedAsync(job);
        await bench.DrainAsync(running);
        Assert.Equal(("success", 1), (job.Conclusion, job.Starts));
    }
}

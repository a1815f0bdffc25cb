using RunnerVm.Egress;
using RunnerVm.Jobs;
using RunnerVm.Sources;
using RunnerVm.Sources.GitHub;
using RunnerVm.Sources.GitHub.Rest;
using RunnerVm.Sources.GitHub.Runners;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitHub;

/// <summary>A job that did not end well: one sentence why, for the log, for runnervm ps, for GitHub's page.</summary>
public sealed class DeathTests
{
    private const int Timeout = 90_000;

    [Fact(Timeout = Timeout)]
    public async Task What_the_host_knows_of_a_jobs_end_is_one_sentence_and_that_a_page_cannot_have_it_is_told_once()
    {
        await using var bench = await GitHubBench.StartAsync();
        var running = bench.RunAsync(jobs: 1);
        await bench.EndedAsync(bench.Queue());
        await bench.EndedAsync(bench.Queue("exhaust"));
        await bench.UntilAsync(() => bench.Ended.Count == 2, "the second's report");
        bench.Server.Knobs.LostAfter = TimeSpan.FromSeconds(1);
        await bench.EndedAsync(bench.Queue("leave"));
        await bench.UntilAsync(() => bench.Ended.Count == 3, "the third's report");
        await bench.UntilAsync(() => bench.World.Runners.Count == 0, "the runners' end at GitHub");
        foreach (var (row, _) in bench.Journal.Runners(bench.Options.Name)) bench.Journal.RemoveRunner(row);
        await bench.DrainAsync(running);

        Assert.Equal([JobResult.Succeeded, JobResult.Failed, JobResult.RunnerFailed], bench.Ended.Select(static e => e.Result));
        var sentences = bench.Ended.Select(static e => e.Sentence).ToList();
        Assert.EndsWith("job-1: succeeded", sentences[0], StringComparison.Ordinal);
        Assert.EndsWith($"job-1: failed. The machine's memory ({bench.Options.Machine.Request.MemoryMib} MiB) was full and its kernel killed a process of the job. Give it more by 'runner: memory:'.", sentences[1], StringComparison.Ordinal);
        Assert.EndsWith("its runner ended in the middle of the job: Ended by signal 9 (SIGKILL).", sentences[2], StringComparison.Ordinal);
        Assert.Single(bench.Log.Lines, static line => line.Contains("told in this log alone", StringComparison.Ordinal) && line.Contains("only a GitHub App can have", StringComparison.Ordinal));
        Assert.Empty(bench.World.Checks);
        Assert.Equal(3, bench.Queued.Count);
        Assert.All(bench.Queued, static queued => Assert.InRange(queued, TimeSpan.FromSeconds(-1), TimeSpan.FromMinutes(2)));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_machine_that_lives_too_long_is_ended_and_that_is_told()
    {
        await using var bench = await GitHubBench.StartAsync();
        bench.Server.Knobs.LostAfter = TimeSpan.FromSeconds(2);
        bench.Options = bench.Options with { Lifetime = TimeSpan.FromSeconds(1) };
        var running = bench.RunAsync(jobs: 1);
        var job = bench.Queue("wait");
        await bench.UntilAsync(() => bench.Log.Lines.Any(static line => line.Contains("which is the most one may live (lifetime)", StringComparison.Ordinal)), "the sentence");
        bench.World.Cancel(job);
        await bench.EndedAsync(job);
        await bench.DrainAsync(running);
    }

    [Fact(Timeout = Timeout)]
    public async Task An_App_that_may_puts_the_sentence_on_GitHubs_page()
    {
        await using var github = await GitHubFixture.StartAsync();
        var run = github.World.QueueRun("acme/app", ["small"]);
        var job = new GitHubJobFacts("acme/app", "build", run.Id) { WorkflowRef = "acme/app/.github/workflows/ci.yml@refs/heads/main" };
        await new DeathNotices("acme", github.AsApp(), Serilog.Core.Logger.None).TellAsync(job, "It died.", TestContext.Current.CancellationToken);
        var check = Assert.Single(github.World.Checks);
        Assert.Equal(("acme/app", "runnervm: build", "neutral", ".github/workflows/ci.yml", "It died."), (check.Repository, check.Name, check.Conclusion, check.Path, check.Message));
    }

    [Fact]
    public void Who_ended_a_runner_at_work_is_told_by_the_host_for_the_runner_does_not_know()
    {
        var fleet = new RunnerFleet("rvm-", TimeProvider.System);
        fleet.Want(1);
        using var runner = fleet.TryBegin()!;
        fleet.JobStarted(runner.Name, new("acme/app", "build", 7));
        var stopped = new RunnerReport(runner, new JobOutcome.Cancelled(), new RunnerEnding.HadJob(null), []);
        Assert.Equal((JobResult.Cancelled, "acme/app run 7, build: it was stopped here", "it was stopped here"), (stopped.Result, stopped.ToString(), stopped.Death));
        var canceled = stopped with { Ending = new RunnerEnding.HadJob("Canceled") };
        Assert.Equal((JobResult.Cancelled, "it was stopped here"), (canceled.Result, canceled.Death));
        var late = canceled with { Outcome = new JobOutcome.TimedOut("The job", TimeSpan.FromHours(6.5)) };
        Assert.Equal((JobResult.TimedOut, "its machine was ended after 6.5 hours, which is the most one may live (lifetime)"), (late.Result, late.Death));
        // At GitHub it was over before: the page tells it.
        fleet.JobCompleted(runner.Name, "failed");
        Assert.Equal((JobResult.Failed, "acme/app run 7, build: failed", null), (stopped.Result, stopped.ToString(), stopped.Death));
    }

    [Fact]
    public void What_a_failed_job_was_denied_is_part_of_the_sentence_and_of_one_that_ended_well_it_is_not()
    {
        var fleet = new RunnerFleet("rvm-", TimeProvider.System);
        fleet.Want(1);
        using var runner = fleet.TryBegin()!;
        fleet.JobStarted(runner.Name, new("acme/app", "build", 7));
        EgressDestination[] denied = [new("pypi.org", 443, 0, 3, 0, 0, 0, 0), new("example.com", 0, 0, 1, 0, 0, 0, 0)];
        var failed = new RunnerReport(runner, new JobOutcome.Succeeded(), new RunnerEnding.HadJob("Failed"), denied);
        Assert.Equal("acme/app run 7, build: failed. The network rules denied it pypi.org port 443 (3 times), the name example.com (once).", failed.ToString());
        Assert.NotNull(failed.Death);
        var well = failed with { Ending = new RunnerEnding.HadJob("Succeeded", "The machine's memory was full.") };
        Assert.Equal(("acme/app run 7, build: succeeded", null), (well.ToString(), well.Death));
        // What GitHub's page tells already is not told twice.
        Assert.Null((failed with { Denied = [] }).Death);
    }
}

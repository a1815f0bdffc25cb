using RunnerVm.Sources.GitHub;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitHub;

/// <summary>From a job at GitHub to its end and to nothing left, with everything real but the machine.</summary>
public sealed class GitHubForgeTests
{
    private const int Timeout = 90_000;

    [Theory(Timeout = Timeout)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Of_many_queued_jobs_each_runs_once_and_nothing_is_left(bool polling)
    {
        await using var bench = await GitHubBench.StartAsync();
        if (polling) bench.Source = bench.Source with { Mode = GitHubMode.Polling };
        var jobs = Enumerable.Range(0, 12).Select(i => bench.Queue(i == 5 ? "fail" : "true")).ToArray();
        var running = bench.RunAsync(jobs: 3);
        await bench.EndedAsync(jobs);
        await bench.DrainAsync(running);
        Assert.All(jobs, static job => Assert.Equal(1, job.Starts));
        Assert.Equal("failure", jobs[5].Conclusion);
        Assert.Equal(11, jobs.Count(static j => j.Conclusion == "success"));
    }

    [Fact(Timeout = Timeout)]
    public async Task The_configuration_is_in_the_runners_environment_and_nowhere_on_this_host()
    {
        await using var bench = await GitHubBench.StartAsync();
        var running = bench.RunAsync();
        await bench.EndedAsync(bench.Queue());
        await bench.DrainAsync(running);
        var secret = Assert.Single(bench.Runner.Environments)["ACTIONS_RUNNER_INPUT_JITCONFIG"];
        foreach (var file in Directory.EnumerateFiles(bench.Data.Root, "*", SearchOption.AllDirectories))
            Assert.DoesNotContain(secret[..40], System.Text.Encoding.Latin1.GetString(await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken)));
        Assert.DoesNotContain(bench.Log.Lines, l => l.Contains(secret[..40], StringComparison.Ordinal));
        var log = await File.ReadAllTextAsync(Assert.Single(Directory.GetFiles(bench.Data.Logs, "gh-*.log")), TestContext.Current.CancellationToken);
        Assert.Contains("Listening for Jobs", log);
        Assert.Contains("Running job: job-1", log);
        Assert.Contains("job-1: succeeded", log);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_job_cancelled_while_its_machine_is_made_ready_ends_that_machine_and_one_at_work_is_cancelled_by_GitHub()
    {
        await using var bench = await GitHubBench.StartAsync();
        var preparing = new TaskCompletionSource();
        bench.Preparing = async token =>
        {
            preparing.TrySetResult();
            await Task.Delay(System.Threading.Timeout.Infinite, token);
        };
        var running = bench.RunAsync(jobs: 1);
        var queued = bench.Queue();
        await preparing.Task.WaitAsync(TestContext.Current.CancellationToken);
        bench.World.Cancel(queued);
        await bench.UntilAsync(() => bench.Log.Lines.Any(static l => l.Contains("nobody waited for it any more", StringComparison.Ordinal)), "the runner's end");

        bench.Preparing = static _ => Task.CompletedTask;
        var job = bench.Queue("wait");
        await bench.UntilAsync(() => job.Status == "in_progress", "the job's start");
        bench.World.Cancel(job);
        await bench.EndedAsync(job);
        await bench.DrainAsync(running);
        Assert.Equal(("cancelled", 1), (job.Conclusion, job.Starts));
    }

    [Fact(Timeout = Timeout)]
    public async Task Draining_lets_a_job_finish_and_sends_away_who_only_listens()
    {
        await using var bench = await GitHubBench.StartAsync();
        var running = bench.RunAsync();
        var job = bench.Queue("wait");
        await bench.UntilAsync(() => job.Status == "in_progress", "the job's start");
        bench.Stop.Drain();
        await bench.UntilAsync(() => bench.World.ScaleSets.Single().Session is null, "the session's end");
        var late = bench.Queue();
        Assert.False(running.IsCompleted);
        bench.World.Cancel(job);
        await bench.DrainAsync(running);
        Assert.Equal(("completed", "queued"), (job.Status, late.Status));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_runner_without_a_job_goes_after_a_while_and_that_is_no_failure()
    {
        await using var bench = await GitHubBench.StartAsync();
        bench.Options = bench.Options with { IdleLimit = TimeSpan.FromMilliseconds(300) };
        var running = bench.RunAsync(jobs: 1);
        var job = bench.Queue();
        // Somebody else's runner takes it before ours can.
        bench.Runner.Connects = () =>
        {
            job.Runner ??= new() { Id = 1, Name = "other", Scope = "", Labels = [] };
            return Task.FromResult(true);
        };
        await bench.UntilAsync(() => bench.Log.Lines.Any(static l => l.Contains("it had no job: no job came within", StringComparison.Ordinal)), "the runner's end");
        bench.Runner.Connects = static () => Task.FromResult(true);
        job.Runner = null;
        await bench.EndedAsync(job);
        await bench.DrainAsync(running);
        Assert.Equal("success", job.Conclusion);
    }

    [Fact(Timeout = Timeout)]
    public async Task Runners_that_never_connect_follow_each_other_ever_more_slowly()
    {
        await using var bench = await GitHubBench.StartAsync();
        var tries = 0;
        bench.Runner.Connects = () => Task.FromResult(Interlocked.Increment(ref tries) > 2);
        var running = bench.RunAsync(jobs: 1);
        var job = bench.Queue();
        await bench.EndedAsync(job);
        await bench.DrainAsync(running);
        Assert.Equal(3, tries);
        Assert.Contains(bench.Log.Lines, static l => l.Contains("it never listened for a job: it ended with exit code 1. The last it said: An error occurred: no route to host", StringComparison.Ordinal));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_GitHub_that_registers_no_runner_is_asked_again_and_a_machine_lost_at_work_is_told_in_a_sentence()
    {
        await using var bench = await GitHubBench.StartAsync();
        bench.Server.Knobs.LostAfter = TimeSpan.FromSeconds(1);
        bench.Server.Knobs.Fail("/generatejitconfig", 403, body: """{"typeName":"X","message":"not now"}""");
        var running = bench.RunAsync(jobs: 1);
        var job = bench.Queue("die");
        await bench.EndedAsync(job);
        Assert.Equal(("failure", 1), (job.Conclusion, job.Starts));
        Assert.Contains(bench.Log.Lines, static l => l.Contains("could not be registered", StringComparison.Ordinal) && l.Contains("not now", StringComparison.Ordinal));
        await bench.UntilAsync(() => bench.Log.Lines.Any(static l => l.Contains("killed from outside", StringComparison.Ordinal)), "the machine's story");
        await bench.UntilAsync(() => bench.World.Runners.Count == 0, "the runner's end at GitHub");
        foreach (var (row, _) in bench.Journal.Runners(bench.Options.Name)) bench.Journal.RemoveRunner(row);
        await bench.DrainAsync(running);
    }

    [Theory(Timeout = Timeout)]
    [InlineData("no version")]
    [InlineData("past its time")]
    [InlineData("refused by GitHub")]
    public async Task Where_the_runners_version_is_no_good_no_job_is_taken_and_none_is_stranded(string why)
    {
        await using var bench = await GitHubBench.StartAsync();
        if (why == "no version") bench.Software = null;
        if (why == "past its time") bench.Software = new("2.300.0", 0, new(RunnerSoftware.DiskName, "/none"));
        if (why == "refused by GitHub")
        {
            bench.Runner.LastWords = "Runner version v2.336.0 is deprecated and cannot receive messages.";
            bench.Runner.Connects = static () => Task.FromResult(false);
        }

        var running = bench.RunAsync();
        var job = bench.Queue();
        await bench.UntilAsync(() => bench.Log.Lines.Any(static l => l.Contains("takes no jobs:", StringComparison.Ordinal) || l.Contains("hands no jobs to its version", StringComparison.Ordinal)), "the sentence");
        if (why != "refused by GitHub") await bench.UntilAsync(() => bench.World.ScaleSets is [{ Session: not null, Capacity: 0 }], "a poll that says there is no room");
        if (why != "refused by GitHub") Assert.Null(job.ScaleSetName);
        Assert.Equal("queued", job.Status);
        await bench.DrainAsync(running);
    }

    [Fact(Timeout = Timeout)]
    public async Task What_an_agent_that_was_killed_left_at_GitHub_goes_at_the_next_start()
    {
        await using var bench = await GitHubBench.StartAsync();
        var first = bench.RunAsync(jobs: 1);
        await bench.EndedAsync(bench.Queue());
        var set = bench.World.ScaleSets.Single();
        await bench.UntilAsync(() => set.Session is not null, "a session");
        var session = bench.Journal.Session(bench.Options.Name)!;
        await bench.DrainAsync(first);

        // As a process that was killed leaves it.
        set.Session = new(Guid.Parse(session.Session), "before");
        bench.Journal.WriteSession(bench.Options.Name, session);
        using var client = new RunnerVm.Sources.GitHub.ScaleSets.ScaleSetClient(bench.Api, TimeProvider.System);
        await client.CreateJitRunnerAsync(session.Set, "rvm-left", TestContext.Current.CancellationToken);
        bench.Journal.WriteRunner("gh-left", bench.Options.Name, "rvm-left", "acme/app run 900, build");

        await using var second = bench.Again();
        var running = second.RunAsync(jobs: 1);
        await second.EndedAsync(second.Queue());
        await second.UntilAsync(() => second.World.Runners.Count == 0, "the end of what was left");
        await second.UntilAsync(() => second.Log.Lines.Any(static l => l.Contains("\"acme/app run 900, build\" was lost with the machine", StringComparison.Ordinal)), "its sentence");
        Assert.DoesNotContain(second.Log.Lines, static l => l.Contains("already has an active session", StringComparison.Ordinal));
        await second.DrainAsync(running);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_label_added_while_a_job_runs_counts_at_once_and_the_job_runs_on()
    {
        await using var bench = await GitHubBench.StartAsync();
        var daemon = bench.Daemon(jobs: 2);
        var running = Task.Run(daemon.RunAsync, CancellationToken.None);
        var before = bench.Queue("wait");
        await bench.UntilAsync(() => before.Status == "in_progress", "the job's start");
        bench.Options = bench.Options with { Labels = [GitHubBench.Label, "added"], Fingerprint = "changed" };
        daemon.Replace([bench.NewForge()]);
        var after = bench.World.QueueScript("acme/app", "added", "true");
        await bench.EndedAsync(after);
        Assert.Equal(("in_progress", "success"), (before.Status, after.Conclusion));
        bench.World.Cancel(before);
        await bench.EndedAsync(before);
        await bench.DrainAsync(running);
        Assert.Equal((1, 1), (before.Starts, after.Starts));
        // No runner too many was begun for the one that a forge before began.
        Assert.Equal(2, bench.Log.Lines.Count(static l => l.EndsWith(" begins", StringComparison.Ordinal)));
        Assert.Single(bench.World.ScaleSets);
    }

    [Fact(Timeout = Timeout)]
    public async Task Check_says_what_is_there_and_changes_nothing()
    {
        await using var bench = await GitHubBench.StartAsync();
        var check = await bench.Forge.CheckAsync(TestContext.Current.CancellationToken);
        Assert.True(check.Good, check.Said);
        Assert.Contains("the scale set small-host will be made at the first start", check.Said);
        Assert.Contains("2.336.0, good for about 60 days", check.Said);
        Assert.Empty(bench.World.ScaleSets);
        bench.Software = null;
        var without = await bench.Forge.CheckAsync(TestContext.Current.CancellationToken);
        Assert.False(without.Good);
        Assert.Contains("runnervm runner fetch", without.Said);
    }
}

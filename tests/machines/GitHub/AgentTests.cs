using RunnerVm.Tests.StandIns.GitHub;
using Xunit;

namespace RunnerVm.Tests.Machines.GitHub;

/// <summary>The whole way of GitHub's jobs: a GitHub over HTTP, the agent's own process, real machines, a runner in each.</summary>
[Collection(RunnerHomes.Name)]
public sealed class AgentTests(RunnerHome home)
{
    private const int Jobs = 4;
    private const int SoakJobs = 100;
    private const int SoakKills = 30;

    [Fact]
    public async Task Queued_jobs_run_once_each_and_nothing_is_left_anywhere()
    {
        await using var server = await StartAsync();
        using var agent = await home.StartAgentAsync(server, jobs: 2);
        var scripts = (string[])["echo hello", "test ! -e /opt/actions-runner/mine && echo x >/opt/actions-runner/mine", "test -z \"${ACTIONS_RUNNER_INPUT_JITCONFIG:-}\"", "exit 3"];
        var jobs = Enumerable.Range(0, Runner.Soak ? SoakJobs : Jobs).Select(i => server.World.QueueScript("acme/app", "small", scripts[i % scripts.Length])).ToList();
        foreach (var job in jobs) await EndedAsync(server, agent, job);
        await DrainAsync(agent, server);
        for (var i = 0; i < jobs.Count; i++) Assert.Equal((i % scripts.Length == 3 ? "failure" : "success", 1), (jobs[i].Conclusion, jobs[i].Starts));
        var logs = jobs.Select(job => File.ReadAllText(Path.Join(home.Path, "logs", $"{IdOf(job)}.log"))).ToList();
        Assert.All(logs, static log => Assert.Contains("Listening for Jobs", log));
        Assert.All(jobs.Zip(logs), static j => Assert.Contains($"job acme/app run {j.First.Run.Id}, job-1, workflow ci", j.Second));
        Assert.All(jobs, job => Assert.Equal(job.Conclusion == "failure", File.Exists(Path.Join(home.Path, "logs", $"{IdOf(job)}.diagnostics.txt"))));
        Assert.Contains(logs, static log => log.Contains("restored", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Cancelling_reaches_a_job_at_work_and_draining_lets_another_finish()
    {
        await using var server = await StartAsync();
        using var agent = await home.StartAgentAsync(server, jobs: 2);
        var cancelled = server.World.QueueScript("acme/app", "small", "sleep 1000");
        var finishing = server.World.QueueScript("acme/app", "small", "sleep 3");
        await StartedAsync(server, agent, cancelled);
        await StartedAsync(server, agent, finishing);
        await agent.WaitForLineAsync($"runs acme/app run {cancelled.Run.Id}, job-1");
        await LoggedAsync(cancelled, "Run it begins");
        Assert.Contains($"acme/app run {cancelled.Run.Id}, job-1", (await home.RunAsync("ps")).Output);
        // Both machines have a job, so this one waits.
        var queued = server.World.QueueScript("acme/app", "small", "true");
        server.World.Cancel(queued);
        Assert.Equal(("cancelled", 0), (queued.Conclusion, queued.Starts));
        agent.Terminate();
        await agent.WaitForLineAsync("Takes no more jobs");
        server.World.Cancel(cancelled);
        await EndedWellAsync(agent, server);
        Assert.Equal(("cancelled", "success"), (cancelled.Conclusion, finishing.Conclusion));
        await LoggedAsync(cancelled, "Run it ended with 1");
    }

    [Fact]
    public async Task A_job_cancelled_while_its_machine_starts_ends_that_machine_and_a_reload_adds_a_label_while_a_job_runs()
    {
        await using var server = await StartAsync();
        using var agent = await home.StartAgentAsync(server, jobs: 2);
        var cancelled = server.World.QueueScript("acme/app", "small", "true");
        await agent.WaitForLineAsync("begins");
        server.World.Cancel(cancelled);
        await server.World.UntilAsync(static w => w.Runners.Count == 0 ? w : null, Patience());

        var running = server.World.QueueScript("acme/app", "small", "sleep 1000");
        await StartedAsync(server, agent, running);
        agent.Reload(RunnerHome.Configuration(server, 2, new() { Labels = "small, added" }));
        var added = server.World.QueueScript("acme/app", "added", "true");
        await EndedAsync(server, agent, added);
        Assert.Equal("in_progress", running.Status);
        server.World.Cancel(running);
        await EndedAsync(server, agent, running);
        await DrainAsync(agent, server);
        Assert.Equal((0, 1, "success"), (cancelled.Starts, running.Starts, added.Conclusion));
    }

    [Fact]
    public async Task A_GitHub_that_is_away_and_a_session_that_is_taken_are_waited_for()
    {
        Runner.SkipUnlessSoak();
        await using var server = await StartAsync();
        server.Knobs.SessionConflicts = 3;
        using var agent = await home.StartAgentAsync(server, jobs: 2);
        var before = server.World.QueueScript("acme/app", "small", "sleep 1000");
        await StartedAsync(server, agent, before);
        server.Knobs.Away = true;
        var meanwhile = server.World.QueueScript("acme/app", "small", "true");
        await Task.Delay(TimeSpan.FromMinutes(2), TestContext.Current.CancellationToken);
        server.Knobs.Away = false;
        await EndedAsync(server, agent, meanwhile);
        Assert.Equal("in_progress", before.Status);
        server.World.Cancel(before);
        await EndedAsync(server, agent, before);
        await DrainAsync(agent, server);
        Assert.Equal((1, 1, "success"), (before.Starts, meanwhile.Starts, meanwhile.Conclusion));
    }

    [Fact]
    public async Task A_runner_that_never_connects_is_told_with_its_last_words_and_its_job_waits_on()
    {
        Assert.SkipWhen(RunnerHome.IsOfficial, "GitHub's own runner tries to connect for longer than a test should last");
        await using var server = await StartAsync();
        using var agent = await home.StartAgentAsync(server, jobs: 1, new() { Network = "none" });
        var job = server.World.QueueScript("acme/app", "small", "true");
        await agent.WaitForLineAsync("it never listened for a job: it ended with exit code 1. The last it said:");
        Assert.Equal(("queued", 0), (job.Status, job.Starts));
        await DrainAsync(agent, server);
    }

    [Fact]
    public async Task An_agent_that_was_killed_is_followed_by_one_that_leaves_no_machine_runner_or_session_of_it()
    {
        await using var server = await StartAsync();
        server.Knobs.LostAfter = Lost;
        var (random, orphans) = (new Random(), (IReadOnlyList<int>)[]);
        for (var i = 0; i < (Runner.Soak ? SoakKills : 1); i++)
        {
            server.World.QueueScript("acme/app", "small", "sleep 1");
            server.World.QueueScript("acme/app", "small", "sleep 1");
            using var killed = await home.StartAgentAsync(server, jobs: 2);
            Assert.Empty(orphans.Intersect(SnapshotHome.Machines(home.Path)));
            if (!Runner.Soak) await killed.WaitForLineAsync("begins");
            await Task.Delay(random.Next(0, Runner.Soak ? 4000 : 1500), TestContext.Current.CancellationToken);
            killed.Kill();
            orphans = SnapshotHome.Machines(home.Path);
        }

        using var next = await home.StartAgentAsync(server, jobs: 2);
        Assert.Empty(orphans.Intersect(SnapshotHome.Machines(home.Path)));
        foreach (var run in server.World.Runs) await EndedAsync(server, next, run.Jobs[0]);
        await server.World.UntilAsync(static w => w.Runners.Count == 0 ? w : null, Patience());
        await DrainAsync(next, server);
        Assert.All(server.World.Runs, static run => Assert.Equal(1, run.Jobs[0].Starts));
    }

    [Fact]
    public async Task A_machine_that_dies_at_work_and_a_GitHub_that_is_away_are_told_and_survived()
    {
        await using var server = await StartAsync();
        server.Knobs.LostAfter = Lost;
        using var agent = await home.StartAgentAsync(server, jobs: 1);
        var dying = server.World.QueueScript("acme/app", "small", "echo b >/proc/sysrq-trigger");
        await EndedAsync(server, agent, dying);
        Assert.Equal("failure", dying.Conclusion);
        await agent.WaitForLineAsync("powered itself off in the middle of the job");
        server.Knobs.Fail("/queue/", 503, times: 5);
        server.Knobs.Fail("/generatejitconfig", 503, times: 2);
        var next = server.World.QueueScript("acme/app", "small", "true");
        await EndedAsync(server, agent, next);
        Assert.Equal(("success", 1), (next.Conclusion, next.Starts));
        await server.World.UntilAsync(static w => w.Runners.Count == 0 ? w : null, Patience());
        await DrainAsync(agent, server);
    }

    [Fact]
    public async Task The_published_program_makes_every_call_of_the_REST_API_it_has()
    {
        await using var server = await StartAsync();
        using var app = new StandInAppFile(server.World);
        var labels = $"image: {RunnerHome.Image}, scale-set: small-tests";
        var organization = $"{{url: {server.Url}acme, app: {app.Yaml}, runners: [{{labels: small, {labels}}}]}}";
        var repository = $"{{url: {server.Url}acme/app, app: {app.Yaml}, mode: polling, check-interval: 1s, network: {{allow: [\"host:{server.Url.Port}\"]}}, runners: [{{labels: polled, {labels}}}]}}";
        var check = await home.CheckAsync($"github: [{organization}, {repository}]");
        check.ExpectExit(0);
        Assert.Contains("the scale set small-tests will be made at the first start", check.Output);
        Assert.Contains("the runs of 1 repositories can be seen", check.Output);

        server.World.RunnerUrl = new($"http://host.runnervm.internal:{server.Url.Port}");
        using var agent = AgentProcess.Create($"{RunnerHome.Host(1)}\ngithub: [{repository}]\n", home.Variables);
        var job = server.World.QueueScript("acme/app", "polled", "true");
        await EndedAsync(server, agent, job);
        await DrainAsync(agent, server);
        Assert.Equal(("success", 1), (job.Conclusion, job.Starts));
        foreach (var (method, part) in ((string, string)[])
        [
            ("GET", "/orgs/acme/installation"), ("GET", "/repos/acme/app/installation"), ("POST", "/access_tokens"), ("POST", "/orgs/acme/actions/runners/registration-token"),
            ("GET", "/repos/acme/app/actions/runners"), ("GET", "/actions/runs"), ("GET", "/jobs"), ("POST", "/generate-jitconfig"), ("DELETE", "/repos/acme/app/actions/runners/"),
        ]) Assert.True(server.World.Requests.Count(method, part) > 0, $"{method} {part} was never asked\n{agent.Log}");
    }

    private static async Task<GitHubStandIn> StartAsync()
    {
        var server = await GitHubStandIn.StartAsync();
        server.Knobs.PollTime = TimeSpan.FromMilliseconds(500);
        return server;
    }

    /// <summary>An emulated processor takes its time over the official runner.</summary>
    private static TimeSpan Lost => TimeSpan.FromSeconds(RunnerHome.IsOfficial ? 60 : 10);

    private static CancellationToken Patience() => new CancellationTokenSource(Runner.Soak ? TimeSpan.FromMinutes(40) : AgentProcess.Patience).Token;

    /// <summary>Ours of the job it got.</summary>
    private static string IdOf(StandInJob job) => $"gh-{job.Runner!.Name.Split('-')[^1]}";

    private async Task LoggedAsync(StandInJob job, string text)
    {
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        while (!(await File.ReadAllTextAsync(Path.Join(home.Path, "logs", $"{IdOf(job)}.log"))).Contains(text, StringComparison.Ordinal)) await tick.WaitForNextTickAsync(Patience());
    }

    private static Task StartedAsync(GitHubStandIn server, AgentProcess agent, StandInJob job) => UntilAsync(server, agent, () => job.Status != "queued", $"the start of {job.Script}");

    private static Task EndedAsync(GitHubStandIn server, AgentProcess agent, StandInJob job) => UntilAsync(server, agent, () => job.Status == "completed", $"the end of {job.Script}");

    private static async Task UntilAsync(GitHubStandIn server, AgentProcess agent, Func<bool> look, string what)
    {
        try
        {
            await server.World.UntilAsync(w => look() ? w : null, Patience());
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"waited in vain for {what}\n{agent.Log}");
        }
    }

    /// <summary>Asks the agent to end, and looks at what it leaves here and there.</summary>
    private Task DrainAsync(AgentProcess agent, GitHubStandIn server)
    {
        agent.Terminate();
        return EndedWellAsync(agent, server);
    }

    private async Task EndedWellAsync(AgentProcess agent, GitHubStandIn server)
    {
        var code = await agent.EndAsync();
        Assert.True(code == 0, $"exit code {code}\n{agent.Log}");
        Assert.Empty(server.Violations);
        Assert.Empty(server.World.Runners);
        Assert.All(server.World.ScaleSets, static set => Assert.Null(set.Session));
        SnapshotHome.AssertNothingLeft(home.Path);
    }
}

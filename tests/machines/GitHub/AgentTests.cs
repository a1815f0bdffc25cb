using System.Security.Cryptography;
using RunnerVm.Tests.StandIns.GitHub;
using Xunit;

namespace RunnerVm.Tests.Machines.GitHub;

/// <summary>The whole way of GitHub's jobs: a GitHub over HTTP, the agent's own process, real machines, a runner in each.</summary>
public sealed class AgentTests(RunnerHome home) : IClassFixture<RunnerHome>
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
        var logs = jobs.Select(job => File.ReadAllText(Path.Join(home.Path, "logs", $"gh-{job.Runner!.Name.Split('-')[^1]}.log"))).ToList();
        Assert.All(logs, static log => Assert.Contains("Listening for Jobs", log));
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
        agent.Terminate();
        await agent.WaitForLineAsync("Takes no more jobs");
        server.World.Cancel(cancelled);
        await EndedWellAsync(agent, server);
        Assert.Equal(("cancelled", "success"), (cancelled.Conclusion, finishing.Conclusion));
    }

    [Fact]
    public async Task An_agent_that_was_killed_is_followed_by_one_that_leaves_no_machine_runner_or_session_of_it()
    {
        await using var server = await StartAsync();
        server.Knobs.LostAfter = Lost;
        var random = new Random();
        for (var i = 0; i < (Runner.Soak ? SoakKills : 1); i++)
        {
            server.World.QueueScript("acme/app", "small", "sleep 1");
            server.World.QueueScript("acme/app", "small", "sleep 1");
            using var killed = await home.StartAgentAsync(server, jobs: 2);
            if (!Runner.Soak) await killed.WaitForLineAsync("begins");
            await Task.Delay(random.Next(0, Runner.Soak ? 4000 : 1500), TestContext.Current.CancellationToken);
            killed.Kill();
        }

        using var next = await home.StartAgentAsync(server, jobs: 2);
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

    /// <summary>An App installed on acme, with its key in a file.</summary>
    private sealed class StandInAppFile : IDisposable
    {
        private readonly TestFolder _folder = new();

        public StandInAppFile(GitHubWorld world)
        {
            using var key = RSA.Create(2048);
            _folder.Write("app.pem", key.ExportRSAPrivateKeyPem());
            world.Tokens.Install(new("Iv23liStandIn", 123, key.ExportSubjectPublicKeyInfoPem(), new Dictionary<string, long> { ["orgs/acme"] = 44, ["repos/acme/app"] = 44 }));
        }

        public string Yaml => $"{{id: Iv23liStandIn, key: {{file: {_folder.File("app.pem")}}}}}";

        public void Dispose() => _folder.Dispose();
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

using RunnerVm.Tests.StandIns.GitHub;
using Tmds.Linux;
using Xunit;

namespace RunnerVm.Tests.Machines.GitHub;

/// <summary>
/// Every way a job dies in a real machine: one sentence in the agent's log, the same on GitHub's page, which the published
/// program writes as an App, and the same from runnervm ps and logs.
/// </summary>
[Collection(RunnerHomes.Name)]
public sealed class DeathTests(RunnerHome home)
{
    [Fact]
    public async Task Why_a_job_died_is_told_in_one_sentence_here_and_on_GitHubs_page()
    {
        await using var server = await StartAsync();
        using var app = new StandInAppFile(server.World);
        using var agent = await home.StartAgentAsync(server, jobs: 1, new() { Credential = $"app: {app.Yaml}" });
        var full = await DiesAsync(server, agent, "tail /dev/zero", $"failed. The machine's memory ({RunnerHome.Megabytes} MiB) was full and its kernel killed a process of the job.");
        await DiesAsync(server, agent, "curl -sS --max-time 20 http://10.1.2.3:81/", "failed. The network rules denied it 10.1.2.3 port 81 (once).");
        await EndAsync(server, agent);
        Assert.Contains((await home.RunAsync("ps", "--all")).Output.Split('\n'), line => line.StartsWith(full, StringComparison.Ordinal) && line.Contains($"memory ({RunnerHome.Megabytes} MiB) was full", StringComparison.Ordinal));
        Assert.Contains($"memory ({RunnerHome.Megabytes} MiB) was full", (await home.RunAsync("logs", full)).Output);
    }

    [Fact]
    public async Task Each_other_way_to_die_has_its_sentence_too()
    {
        Runner.SkipUnlessSoak();
        await using var server = await StartAsync();
        using var app = new StandInAppFile(server.World);
        using var agent = await home.StartAgentAsync(server, jobs: 1, new() { Credential = $"app: {app.Yaml}" });
        await DiesAsync(server, agent, "fallocate -l 900M large; head -c 400M /dev/zero >larger", "failed. The machine's disk (1024 MiB) was full in the job.");
        await DiesAsync(server, agent, "kill -9 $PPID; sleep 1000", "its runner ended in the middle of the job: Ended by signal 9 (SIGKILL).");
        await DiesAsync(server, agent, "echo c >/proc/sysrq-trigger; sleep 1000", "The machine's kernel panicked:");
        await DiesAsync(server, agent, "sleep 1000", "The machine's process was killed from outside (SIGKILL); if nobody did it, the host was out of memory.", _ =>
        {
            Assert.Equal(0, LibC.kill(Assert.Single(SnapshotHome.Machines(home.Path)), LibC.SIGKILL));
            return Task.CompletedTask;
        });
        await DiesAsync(server, agent, "sleep 1000", "it was stopped here", async id => (await home.RunAsync("kill", id)).ExpectExit(0));
        await EndAsync(server, agent);
    }

    private static async Task<GitHubStandIn> StartAsync()
    {
        var server = await GitHubStandIn.StartAsync();
        (server.Knobs.PollTime, server.Knobs.LostAfter) = (TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(4));
        return server;
    }

    /// <returns>The job's name on this host.</returns>
    private static async Task<string> DiesAsync(GitHubStandIn server, AgentProcess agent, string script, string sentence, Func<string, Task>? kill = null)
    {
        var job = server.World.QueueScript("acme/app", "small", script);
        await server.World.UntilAsync(w => job.Status == "queued" ? null : w, Patience());
        var id = $"gh-{job.Runner!.Name.Split('-')[^1]}";
        if (kill is not null) await kill(id);
        await agent.WaitForLineAsync(sentence);
        var check = await server.World.UntilAsync(w => w.Checks.FirstOrDefault(c => c.Message.Contains(sentence, StringComparison.Ordinal)), Patience());
        Assert.Equal(("acme/app", "neutral", ".github/workflows/ci.yml"), (check.Repository, check.Conclusion, check.Path));
        // What GitHub still has of it goes once it notices, so that the next job has a machine of its own.
        await server.World.UntilAsync(w => job.Status == "completed" && w.Runners.Count == 0 ? w : null, Patience());
        Assert.Equal(1, job.Starts);
        return id;
    }

    private async Task EndAsync(GitHubStandIn server, AgentProcess agent)
    {
        agent.Terminate();
        Assert.Equal(0, await agent.EndAsync());
        Assert.Empty(server.Violations);
        SnapshotHome.AssertNothingLeft(home.Path);
    }

    private static CancellationToken Patience() => new CancellationTokenSource(AgentProcess.Patience).Token;
}

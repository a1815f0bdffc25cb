using RunnerVm.Tests.StandIns.GitHub;
using Tmds.Linux;
using Xunit;

namespace RunnerVm.Tests.Machines.GitHub;

/// <summary>
/// Every way a job dies in a real machine: one sentence in the agent's log, the same on GitHub's page, which the published
/// program writes as an App, and the same from runnervm ps and logs.
/// </summary>
public sealed class DeathTests(RunnerHome home) : IClassFixture<RunnerHome>
{
    [Fact]
    public async Task Why_a_job_died_is_told_in_one_sentence_here_and_on_GitHubs_page()
    {
        await using var server = await GitHubStandIn.StartAsync();
        (server.Knobs.PollTime, server.Knobs.LostAfter) = (TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(4));
        using var app = new StandInAppFile(server.World);
        using var agent = await home.StartAgentAsync(server, jobs: 1, new() { Credential = $"app: {app.Yaml}" });

        await DiesAsync("tail /dev/zero", $"failed. The machine's memory ({RunnerHome.Megabytes} MiB) was full and its kernel killed a process of the job.");
        await DiesAsync("fallocate -l 900M large; head -c 400M /dev/zero >larger", "failed. The machine's disk (1024 MiB) was full in the job.");
        await DiesAsync("curl -sS --max-time 20 http://10.1.2.3:81/", "failed. The network rules denied it 10.1.2.3 port 81 (once).");
        await DiesAsync("kill -9 $PPID; sleep 1000", "its runner ended in the middle of the job: Ended by signal 9 (SIGKILL).");
        await DiesAsync("echo c >/proc/sysrq-trigger; sleep 1000", "The machine's kernel panicked:");
        var lost = await DiesAsync("sleep 1000", "The machine's process was killed from outside (SIGKILL); if nobody did it, the host was out of memory.", static (_, path) =>
        {
            Assert.Equal(0, LibC.kill(Assert.Single(SnapshotHome.Machines(path)), LibC.SIGKILL));
            return Task.CompletedTask;
        });
        var stopped = await DiesAsync("sleep 1000", "it was stopped here", async (id, path) =>
            (await Runner.RunAsync(path, ["kill", id], home.Variables)).ExpectExit(0));

        agent.Terminate();
        Assert.Equal(0, await agent.EndAsync());
        var ended = await home.RunAsync("ps", "--all");
        Assert.Contains(ended.Output.Split('\n'), line => line.StartsWith(lost, StringComparison.Ordinal) && line.Contains("killed from outside", StringComparison.Ordinal));
        Assert.Contains("it was stopped here", (await home.RunAsync("logs", stopped)).Output);
        Assert.Empty(server.Violations);
        SnapshotHome.AssertNothingLeft(home.Path);

        async Task<string> DiesAsync(string script, string sentence, Func<string, string, Task>? kill = null)
        {
            var job = server.World.QueueScript("acme/app", "small", script);
            await server.World.UntilAsync(w => job.Status == "queued" ? null : w, Patience());
            var id = $"gh-{job.Runner!.Name.Split('-')[^1]}";
            if (kill is not null) await kill(id, home.Path);
            await agent.WaitForLineAsync(sentence);
            var check = await server.World.UntilAsync(w => w.Checks.FirstOrDefault(c => c.Message.Contains(sentence, StringComparison.Ordinal)), Patience());
            Assert.Equal(("acme/app", "neutral", ".github/workflows/ci.yml"), (check.Repository, check.Conclusion, check.Path));
            // What GitHub still has of it goes once it notices, so that the next job has a machine of its own.
            await server.World.UntilAsync(w => job.Status == "completed" && w.Runners.Count == 0 ? w : null, Patience());
            Assert.Equal(1, job.Starts);
            return id;
        }
    }

    private static CancellationToken Patience() => new CancellationTokenSource(AgentProcess.Patience).Token;
}

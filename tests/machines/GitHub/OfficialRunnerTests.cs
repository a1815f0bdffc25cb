using RunnerVm.Tests.StandIns.GitHub;
using Xunit;

namespace RunnerVm.Tests.Machines.GitHub;

/// <summary>GitHub's own runner in machines of ours, from its scale set's message to its job's end.</summary>
public sealed class OfficialRunnerTests(RunnerHome home) : IClassFixture<RunnerHome>
{
    private const string Password = "hunter22-of-the-tests";

    [Fact]
    public async Task It_runs_a_whole_job_and_the_host_knows_which_and_keeps_its_logs_of_one_that_failed()
    {
        Assert.SkipUnless(RunnerHome.IsOfficial, OfficialRunner.WhyNot);
        await using var server = await GitHubStandIn.StartAsync();
        server.Knobs.PollTime = TimeSpan.FromSeconds(5);
        using var agent = await home.StartAgentAsync(server, jobs: 1);
        var job = server.World.QueueWork("acme/app", "small", new()
        {
            Environment = new Dictionary<string, string> { ["LEVEL"] = "job" },
            Secrets = new Dictionary<string, string> { ["PASSWORD"] = Password },
            Outputs = new Dictionary<string, string> { ["answer"] = "${{ steps.first.outputs.answer }}" },
            Steps =
            [
                new("Say it", "echo \"level $LEVEL, password $PASSWORD, on $(uname -n)\"; echo answer=42 >>$GITHUB_OUTPUT", Id: "first") { Environment = new Dictionary<string, string> { ["PASSWORD"] = "${{ secrets.PASSWORD }}" } },
                new("Fail", "exit 3"),
                new("Never", "echo never"),
                new("Clean up", "echo cleaned", "always()"),
            ],
        });
        await server.World.UntilAsync(_ => job.Status == "completed" ? job : null, new CancellationTokenSource(AgentProcess.Patience).Token);
        agent.Terminate();
        Assert.Equal(0, await agent.EndAsync());

        Assert.Equal(("failure", 1, "42"), (job.Conclusion, job.Starts, job.Outputs.GetValueOrDefault("answer")));
        Assert.Equal(
            [("Set up job", "succeeded"), ("Set up runner", "succeeded"), ("Say it", "succeeded"), ("Fail", "failed"), ("Never", "skipped"), ("Clean up", "succeeded"), ("Complete runner", "succeeded"), ("Complete job", "succeeded")],
            job.Steps.Select(static s => (s.Name, s.Conclusion!)));
        Assert.Contains("level job, password ***, on gh-", server.World.LogOf(job, "Say it"));
        Assert.Empty(server.Violations);

        var id = $"gh-{job.Runner!.Name.Split('-')[^1]}";
        var log = await File.ReadAllTextAsync(Path.Join(home.Path, "logs", $"{id}.log"), TestContext.Current.CancellationToken);
        Assert.Contains($"job acme/app run {job.Run.Id}, job-1, workflow ci", log);
        Assert.Contains("Say it begins", log);
        Assert.Contains("Fail ended with 1", log);
        Assert.Contains("Never was skipped", log);
        var diagnostics = await File.ReadAllTextAsync(Path.Join(home.Path, "logs", $"{id}.diagnostics.txt"), TestContext.Current.CancellationToken);
        Assert.Contains("Runner_", diagnostics);
        Assert.Contains("Processing step: DisplayName='Clean up'", diagnostics);
        Assert.All((string[])[log, diagnostics, agent.Log], static text => Assert.DoesNotContain(Password, text));
        TestContext.Current.TestOutputHelper?.WriteLine($"GitHub's runner {job.Runner.Version} ran it.\n{log}\n{job.Log}");
    }
}

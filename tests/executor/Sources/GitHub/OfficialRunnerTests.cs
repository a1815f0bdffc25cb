using RunnerVm.Tests.StandIns.GitHub;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitHub;

/// <summary>The tests' GitHub against GitHub's own runner, as a process of this host: what it is taken for, it must be.</summary>
public sealed class OfficialRunnerTests
{
    private const int Timeout = 180_000;
    private const string Password = "hunter22-of-the-tests";

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact(Timeout = Timeout)]
    public async Task A_whole_job_has_its_environment_and_outputs_and_its_secret_is_masked_wherever_it_is_kept()
    {
        await using var official = await StartAsync();
        var job = official.Github.World.QueueWork("acme/app", "small", new()
        {
            Environment = new Dictionary<string, string> { ["LEVEL"] = "job" },
            Secrets = new Dictionary<string, string> { ["PASSWORD"] = Password },
            Outputs = new Dictionary<string, string> { ["answer"] = "${{ steps.first.outputs.answer }}" },
            Steps =
            [
                new("Say it", "echo \"level $LEVEL, password $PASSWORD\"; echo answer=42 >>$GITHUB_OUTPUT", Id: "first") { Environment = new Dictionary<string, string> { ["PASSWORD"] = "${{ secrets.PASSWORD }}" } },
                new("Use it", "${{ format('echo got {0} of {1}', steps.first.outputs.answer, github.repository) }}"),
            ],
        });
        Assert.Equal(0, await official.Listener.EndAsync(Stop));
        Assert.Equal(("success", 1, "42"), (job.Conclusion, job.Starts, job.Outputs.GetValueOrDefault("answer")));
        Assert.Equal(["Set up job", "Say it", "Use it", "Complete job"], job.Steps.Select(static s => s.Name));
        Assert.All(job.Steps, static s => Assert.Equal("succeeded", s.Conclusion));
        Assert.Contains("level job, password ***", official.Github.World.LogOf(job, "Say it"));
        Assert.Contains("got 42 of acme/app", official.Github.World.LogOf(job, "Use it"));
        Assert.Contains("got 42 of acme/app", job.Log);
        Assert.Contains(official.Github.World.Fed, static line => line.Contains("level job, password ***", StringComparison.Ordinal));
        Assert.All((string[])[job.Log, official.Listener.Output, official.Listener.Diagnostics()], static text => Assert.DoesNotContain(Password, text));
        official.AssertGone();
    }

    [Fact(Timeout = Timeout)]
    public async Task After_a_step_that_fails_only_those_run_that_always_run()
    {
        await using var official = await StartAsync();
        var job = official.Github.World.QueueWork("acme/app", "small", new()
        {
            Steps = [new("Fail", "echo before; exit 3"), new("Never", "echo never"), new("Clean up", "echo cleaned", "always()")],
        });
        Assert.Equal(0, await official.Listener.EndAsync(Stop));
        Assert.Equal("failure", job.Conclusion);
        Assert.Equal(
            [("Set up job", "succeeded"), ("Fail", "failed"), ("Never", "skipped"), ("Clean up", "succeeded"), ("Complete job", "succeeded")],
            job.Steps.Select(static s => (s.Name, s.Conclusion!)));
        Assert.Contains("Process completed with exit code 3", official.Github.World.LogOf(job, "Fail"));
        official.AssertGone();
    }

    [Fact(Timeout = Timeout)]
    public async Task An_action_in_JavaScript_has_the_runners_own_Node_and_hands_on_what_it_sets()
    {
        await using var official = await StartAsync();
        var job = official.Github.World.QueueWork("acme/app", "small", new()
        {
            Outputs = new Dictionary<string, string> { ["node"] = "${{ steps.act.outputs.node }}" },
            Steps =
            [
                new("Write it", """
                    mkdir act
                    printf 'name: act\nruns:\n  using: node20\n  main: main.js\n' >act/action.yml
                    echo "require('fs').appendFileSync(process.env.GITHUB_OUTPUT, 'node=' + process.version + '\n'); console.log('::warning::from ' + process.execPath)" >act/main.js
                    """),
                new("Act", "", Id: "act") { Uses = "./act" },
            ],
        });
        Assert.Equal(0, await official.Listener.EndAsync(Stop));
        Assert.Equal("success", job.Conclusion);
        Assert.Matches("^v2[04][.]", job.Outputs["node"]);
        Assert.Contains("/externals/node2", official.Github.World.LogOf(job, "Act"));
        official.AssertGone();
    }

    [Fact(Timeout = Timeout)]
    public async Task A_job_that_is_cancelled_at_GitHub_ends_early_and_runs_what_always_runs()
    {
        await using var official = await StartAsync();
        var job = official.Github.World.QueueWork("acme/app", "small", new()
        {
            Steps = [new("Wait", "echo waiting; exec sleep 600"), new("Clean up", "echo cleaned", "always()")],
        });
        await official.Github.World.UntilAsync(static w => w.Fed.Any(static l => l.EndsWith("waiting", StringComparison.Ordinal)) ? w : null, Stop);
        official.Github.World.Cancel(job);
        Assert.Equal(0, await official.Listener.EndAsync(Stop));
        Assert.Equal("cancelled", job.Conclusion);
        Assert.Equal([("Wait", "canceled"), ("Clean up", "succeeded")], job.Steps.Where(static s => s.Name is "Wait" or "Clean up").Select(static s => (s.Name, s.Conclusion!)));
        official.AssertGone();
    }

    private static async Task<Official> StartAsync()
    {
        Assert.SkipWhen(OfficialRunner.Folder is null, OfficialRunner.WhyNot);
        var github = await GitHubStandIn.StartAsync();
        github.Knobs.PollTime = TimeSpan.FromSeconds(5);
        return new(github, OfficialListener.Start(github.World.Register("orgs/acme", "official", "small")));
    }

    /// <summary>A runner that listens to a GitHub.</summary>
    private sealed record Official(GitHubStandIn Github, OfficialListener Listener) : IAsyncDisposable
    {
        /// <summary>It is known by the version it told, and nothing of it is left there.</summary>
        public void AssertGone()
        {
            Assert.Empty(Github.Violations);
            Assert.Empty(Github.World.Runners);
            TestContext.Current.TestOutputHelper?.WriteLine(Listener.Output);
        }

        public ValueTask DisposeAsync()
        {
            Listener.Dispose();
            return Github.DisposeAsync();
        }
    }
}

using System.IO.Compression;
using System.Text.Json.Nodes;
using RunnerVm.Tests.StandIns.GitLab;
using Xunit;

namespace RunnerVm.Tests.Machines.GitLab;

/// <summary>The whole way: a GitLab, the agent's own process, real machines, a real repository.</summary>
public sealed partial class AgentTests(SnapshotHome home) : IClassFixture<SnapshotHome>
{
    private static readonly TimeSpan Patience = AgentProcess.Patience;

    [Fact]
    public async Task A_job_clones_caches_and_uploads_and_a_dependent_one_has_its_files()
    {
        await using var server = await GitLabStandIn.StartAsync();
        var sha = server.Repositories.Add("group/demo", ("README.md", "hello from git\n"));
        using var agent = await AgentProcess.StartAsync(server, home, jobs: 2);
        var cache = new JsonArray(new JsonObject { ["key"] = "deps", ["policy"] = "pull-push", ["when"] = "on_success", ["paths"] = new JsonArray("vendor/") });
        var build = server.QueueWithSources("build", sha, ["cat README.md", "mkdir -p out vendor", "echo built >out/x; echo cached >vendor/lib", "touch out/x.tmp", "echo '<testsuite/>' >junit.xml; echo VERSION=7 >build.env; echo '{}' >sast.json"], payload =>
        {
            payload["image"] = new JsonObject { ["name"] = "debian:bookworm" };
            payload["cache"] = cache.DeepClone();
            payload["artifacts"] = new JsonArray(
                new JsonObject { ["name"] = "build", ["paths"] = new JsonArray("out/"), ["exclude"] = new JsonArray("**/*.tmp"), ["untracked"] = true, ["when"] = "on_success", ["artifact_type"] = "archive", ["artifact_format"] = "zip", ["expire_in"] = "1 week" },
                Report("junit.xml", "junit.xml", "junit", "gzip"), Report(".env", "build.env", "dotenv", "gzip"), Report("gl-sast-report.json", "sast.json", "sast", "raw"));
        });
        await server.WaitForEndAsync(build, Patience);
        AssertSucceeded(server, build);
        Assert.Contains("01O hello from git\n", build.TraceText);
        Assert.DoesNotContain(build.Token, build.TraceText);
        Assert.Equal(
            [("build.zip", "archive", "zip", "1 week"), ("junit.xml.gz", "junit", "gzip", null), (".env.gz", "dotenv", "gzip", null), ("gl-sast-report.json", "sast", "raw", null)],
            build.Artifacts.Select(static a => (a.FileName, a.Type, a.Format, a.ExpireIn)));
        var entries = new ZipArchive(new MemoryStream(build.Artifacts[0].Content)).Entries.Select(static e => e.FullName).ToList();
        foreach (var wanted in (string[])["out/x", "vendor/lib", "build.env"]) Assert.Contains(wanted, entries);
        foreach (var unwanted in (string[])["out/x.tmp", "README.md"]) Assert.DoesNotContain(unwanted, entries);
        Assert.Equal("VERSION=7\n", await new StreamReader(new GZipStream(new MemoryStream(build.Artifacts[2].Content), CompressionMode.Decompress)).ReadToEndAsync(TestContext.Current.CancellationToken));
        Assert.Equal("{}\n"u8, build.Artifacts[3].Content);

        var test = server.QueueWithSources("test", sha, ["cat out/x vendor/lib"], payload =>
        {
            payload["variables"]!.AsArray().Add(StandInPayload.Variable("GIT_STRATEGY", "clone"));
            payload["cache"] = cache.DeepClone();
            payload["dependencies"] = new JsonArray(new JsonObject
            {
                ["id"] = build.Id, ["name"] = "build", ["token"] = build.Token, ["artifacts_file"] = new JsonObject { ["filename"] = "build.zip", ["size"] = build.Artifacts[0].Content.Length },
            });
        });
        await server.WaitForEndAsync(test, Patience);
        AssertSucceeded(server, test);
        Assert.Contains("01O built\n", test.TraceText);
        Assert.Contains("01O cached\n", test.TraceText);
        await DrainAsync(agent, server);
    }

    [Fact]
    public async Task Submodules_of_the_same_instance_come_by_the_jobs_token()
    {
        Assert.SkipUnless(Runner.Soak, "git's submodule scripts take half a minute on a software CPU: run tests/run --soak");
        await using var server = await GitLabStandIn.StartAsync();
        server.Repositories.Add("group/lib", ("lib.txt", "hello from a submodule\n"));
        server.Repositories.Add("group/demo", ("README.md", "hello from git\n"));
        var sha = server.Repositories.AddSubmodule("group/demo", "lib", $"{server.Url}group/lib.git", "group/lib");
        using var agent = await AgentProcess.StartAsync(server, home, jobs: 1);
        var job = server.QueueWithSources("submodules", sha, ["cat lib/lib.txt"], static payload => payload["variables"]!.AsArray().Add(StandInPayload.Variable("GIT_SUBMODULE_STRATEGY", "recursive")));
        await server.WaitForEndAsync(job, Patience);
        AssertSucceeded(server, job);
        Assert.Contains("01O hello from a submodule\n", job.TraceText);
        await DrainAsync(agent, server);
    }

    [Fact]
    public async Task A_job_takes_a_machine_that_waited_and_another_waits_for_the_next()
    {
        await using var server = await GitLabStandIn.StartAsync();
        using var agent = await AgentProcess.StartAsync(server, home, jobs: 1, warm: 1);
        await agent.WaitForLineAsync("1 wait.");
        var seen = new HashSet<string>();
        foreach (var name in (string[])["first", "second"])
        {
            await server.WaitAsync(() => Waiting().Any(seen.Add), Patience, "another machine to wait");
            var job = server.Queue(name, ["echo begun"]);
            await server.WaitForEndAsync(job, Patience);
            AssertSucceeded(server, job);
            Assert.Contains("A machine that waited was taken in", job.TraceText);
        }

        await DrainAsync(agent, server);

        // Those that have their process: it is written down once they are restored.
        IEnumerable<string> Waiting() => Directory.GetDirectories(home.Runs).Where(static folder => Record(folder) is var record
            && record.Contains("\"warm-", StringComparison.Ordinal) && record.Contains("booting", StringComparison.OrdinalIgnoreCase));

        static string Record(string folder)
        {
            try
            {
                return File.ReadAllText(Path.Join(folder, "run.json"));
            }
            catch (IOException)
            {
                return "";
            }
        }
    }

    [Fact]
    public async Task Cancel_abort_and_timeout_end_a_job_each_in_its_own_way()
    {
        await using var server = await GitLabStandIn.StartAsync();
        server.UpdateInterval = 1;
        using var agent = await AgentProcess.StartAsync(server, home, jobs: 3);
        string[] script = ["echo kept >kept", "echo begun", "while sleep 0.5; do echo goes on; done", "echo never"];
        var canceling = server.Queue("canceling", script, WithAftermath);
        var canceled = server.Queue("canceled", script, WithAftermath);
        var slow = server.Queue("slow", script, static payload =>
        {
            WithAftermath(payload);
            payload["runner_info"]!["timeout"] = 6;
        });
        await server.WaitAsync(() => HasBegun(canceling) && HasBegun(canceled), Patience, "both to begin");
        server.Cancel(canceling, gracefully: true);
        server.Cancel(canceled, gracefully: false);
        foreach (var job in new[] { canceling, slow }) await server.WaitForEndAsync(job, Patience);

        Assert.Equal(("canceled", 1), (canceling.State, canceling.Ended));
        Assert.Contains("01O after: canceled\n", canceling.TraceText);
        Assert.Single(canceling.Artifacts);
        Assert.Equal(("canceled", 0), (canceled.State, canceled.Ended));
        Assert.Empty(canceled.Artifacts);
        Assert.Equal(("failed", "job_execution_timeout"), (slow.State, slow.FailureReason));
        Assert.Contains("execution took longer than 6 seconds", slow.TraceText);
        Assert.DoesNotContain("after:", slow.TraceText);
        Assert.All([canceling, canceled, slow], static job => Assert.DoesNotContain("01O never", job.TraceText));
        await DrainAsync(agent, server);
    }

    [Fact]
    public async Task A_killed_agents_next_start_sends_the_rest_of_the_log_and_the_end()
    {
        await using var server = await GitLabStandIn.StartAsync();
        server.UpdateInterval = 1;
        StandInJob job;
        using (var first = await AgentProcess.StartAsync(server, home, jobs: 1))
        {
            job = server.Queue("orphan", ["echo begun", "for i in $(seq 1000); do echo line $i; done", "echo all said >&2", "sleep 1000"]);
            await server.WaitAsync(() => HasBegun(job), Patience, "the first line");
            server.Gone = true;
            await WaitForTraceAsync(" 01E all said");
            first.Kill();
        }

        await NoMachineSoonAsync();
        server.Gone = false;
        using var second = await AgentProcess.StartAsync(server, home, jobs: 1);
        await server.WaitForEndAsync(job, Patience);
        Assert.Equal(("failed", "runner_system_failure", 1), (job.State, job.FailureReason, job.Ended));
        for (var i = 1; i <= 1000; i++) Assert.Contains($"01O line {i}\n", job.TraceText);
        Assert.Contains("01E all said\n", job.TraceText);
        Assert.Contains("the runner's agent was killed", job.TraceText);
        var next = server.Queue("next", ["echo next"]);
        await server.WaitForEndAsync(next, Patience);
        AssertSucceeded(server, next);
        await DrainAsync(second, server);
    }

    [Fact]
    public async Task Told_to_stop_it_finishes_what_runs_and_takes_nothing_more()
    {
        await using var server = await GitLabStandIn.StartAsync();
        server.UpdateInterval = 1;
        using var agent = await AgentProcess.StartAsync(server, home, jobs: 1);
        var running = server.Queue("running", ["echo begun", "sleep 3", "echo to the end"]);
        await server.WaitAsync(() => HasBegun(running), Patience, "the first line");
        agent.Terminate();
        await agent.WaitForLineAsync("Takes no more jobs");
        var queued = server.Queue("queued", ["true"]);
        await ExpectEndAsync(agent, server);
        AssertSucceeded(server, running);
        Assert.Contains("01O to the end\n", running.TraceText);
        Assert.Equal(("queued", 0), (queued.State, queued.HandedOver));
    }

    [Fact]
    public async Task Told_twice_it_ends_what_runs_and_GitLab_hears_why()
    {
        await using var server = await GitLabStandIn.StartAsync();
        server.UpdateInterval = 1;
        using var agent = await AgentProcess.StartAsync(server, home, jobs: 1);
        var job = server.Queue("interrupted", ["echo begun", "sleep 1000"], WithAftermath);
        await server.WaitAsync(() => HasBegun(job), Patience, "the first line");
        agent.Terminate();
        await agent.WaitForLineAsync("Takes no more jobs");
        await DrainAsync(agent, server);
        Assert.Equal(("failed", "runner_interrupted", 1), (job.State, job.FailureReason, job.Ended));
        Assert.DoesNotContain("after:", job.TraceText);
    }

    [Fact]
    public async Task A_GitLab_that_is_gone_in_the_middle_gets_the_whole_log_in_the_end()
    {
        var outage = TimeSpan.FromSeconds(Runner.Soak ? 70 : 4);
        await using var server = await GitLabStandIn.StartAsync();
        server.UpdateInterval = 1;
        using var agent = await AgentProcess.StartAsync(server, home, jobs: 1);
        var job = server.Queue("unheard", ["echo begun", $"for i in $(seq {outage.TotalSeconds * 10}); do echo line $i; sleep 0.1; done"]);
        await server.WaitAsync(() => HasBegun(job), Patience, "the first line");
        server.Gone = true;
        await Task.Delay(outage, TestContext.Current.CancellationToken);
        server.Gone = false;
        await server.WaitForEndAsync(job, Patience);
        AssertSucceeded(server, job);
        var lines = job.TraceText.Split('\n').Where(static line => line.Contains(" 01O line ", StringComparison.Ordinal)).Select(static line => int.Parse(line.Split(' ')[^1], null));
        Assert.Equal(Enumerable.Range(1, (int)(outage.TotalSeconds * 10)), lines);
        await DrainAsync(agent, server);
    }

    private static JsonObject Report(string name, string path, string type, string format) =>
        new() { ["name"] = name, ["paths"] = new JsonArray(path), ["when"] = "always", ["artifact_type"] = type, ["artifact_format"] = format };

    private static void WithAftermath(JsonObject payload)
    {
        payload["steps"]!.AsArray().Add(new JsonObject { ["name"] = "after_script", ["script"] = new JsonArray("echo after: $CI_JOB_STATUS"), ["timeout"] = 3600, ["when"] = "always", ["allow_failure"] = true });
        payload["artifacts"] = new JsonArray(new JsonObject { ["paths"] = new JsonArray("kept"), ["when"] = "always", ["artifact_type"] = "archive", ["artifact_format"] = "zip" });
    }

    private static bool HasBegun(StandInJob job) => job.TraceText.Contains(" 01O begun", StringComparison.Ordinal);

    private static void AssertSucceeded(GitLabStandIn server, StandInJob job)
    {
        Assert.True(job.State == "success", $"{job.State} {job.FailureReason}\n{job.TraceText}\n{string.Join('\n', server.Violations)}");
        Assert.Equal((1, 1), (job.HandedOver, job.Ended));
    }

    /// <summary>Asks the agent to end, and looks at what it leaves.</summary>
    private Task DrainAsync(AgentProcess agent, GitLabStandIn server)
    {
        agent.Terminate();
        return ExpectEndAsync(agent, server);
    }

    private async Task ExpectEndAsync(AgentProcess agent, GitLabStandIn server)
    {
        var code = await agent.EndAsync();
        Assert.True(code == 0, $"exit code {code}\n{agent.Log}");
        Assert.Empty(server.Violations);
        home.AssertNothingLeft();
        Assert.Empty(Directory.GetFiles(Path.Join(home.Path, "traces")));
    }

    /// <summary>Waits until the host has a text in the one log it holds.</summary>
    private async Task WaitForTraceAsync(string text)
    {
        using var deadline = new CancellationTokenSource(Patience);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!Directory.GetFiles(Path.Join(home.Path, "traces")).Any(file => Read(file).Contains(text, StringComparison.Ordinal))) await tick.WaitForNextTickAsync(deadline.Token);
    }

    private static string Read(string path)
    {
        using var file = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        return file.ReadToEnd();
    }

    private async Task NoMachineSoonAsync()
    {
        using var deadline = new CancellationTokenSource(Patience);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (SnapshotHome.Machines(home.Path).Count > 0) await tick.WaitForNextTickAsync(deadline.Token);
    }
}

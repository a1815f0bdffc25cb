using System.IO.Compression;
using System.Text;
using RunnerVm.Sources.GitLab;
using Xunit;

namespace RunnerVm.Tests.Machines.GitLab;

public sealed class DirectJobTests : IDisposable
{
    private readonly GitServer _server = new(DirectJob.Token);

    public void Dispose()
    {
        _server.Dispose();
        var caches = Path.Combine(Runner.Home, "caches");
        if (Directory.Exists(caches)) Directory.Delete(caches, recursive: true);
    }

    [Fact]
    public async Task A_job_clones_runs_caches_and_uploads_and_a_dependent_one_gets_it_all()
    {
        var sha = _server.AddRepository("group/project", ("README.md", "hello from git\n"), ("dir/file", "x"));
        var first = DirectJob.Payload(_server, sha,
            "cat README.md", "git status --porcelain", "test \"$(cat $SECRET_FILE)\" = 'file content'", "echo $LONG | wc -c", "printenv LONG || echo not exported",
            "echo password is $PASSWORD", "mkdir -p out vendor && echo result >out/result && ln -s result out/link && chmod 755 out/result && echo cached >vendor/lib",
            "echo '<testsuite/>' >junit.xml", "echo PASSED_ON=yes >>$GITLAB_ENV", "git config remote.origin.url", "false | cat || echo pipefail");
        first = first with
        {
            Variables =
            [
                new("SECRET_FILE", "file content", false, File: true, false, false), new("LONG", new string('l', 200_000), true, false, false, false),
                new("PASSWORD", "correct-horse", false, false, Masked: true, false), new("OUT", "out", true, false, false, false),
            ],
            Steps = [.. first.Steps, new() { Name = "after_script", Script = ["echo status $CI_JOB_STATUS, passed $PASSED_ON", "exit 3"] }],
            Cache = [new() { Key = "deps-$OUT", Paths = ["vendor/"] }],
            Artifacts =
            [
                new() { Name = "build", Paths = ["$OUT", "../outside"], ArtifactType = "archive", ArtifactFormat = "zip", ExpireIn = "1 week" },
                new() { Name = "junit.xml", Paths = ["junit.xml"], When = "always", ArtifactType = "junit", ArtifactFormat = "gzip" },
            ],
        };
        using (var job = new DirectJob(_server))
        {
            var outcome = await job.RunAsync(first);
            Assert.True(outcome is GitLabOutcome.Succeeded, $"{outcome}\n{job.Log}");
            foreach (var said in (string[])["hello from git", "200001", "not exported", "password is [MASKED]", "status success, passed yes", "pipefail", "There is no such cache yet.", "../outside", "after_script failed with exit code 3"])
                Assert.True(job.Log.Contains(said, StringComparison.Ordinal), $"{said}\n{job.Log}");
            Assert.Contains($"\nhttp://127.0.0.1:{_server.Port}/group/project.git", job.Log);
            Assert.DoesNotContain(DirectJob.Token, job.Log);
            foreach (var section in (string[])["prepare_executor", "prepare_script", "get_sources", "restore_cache", "step_script", "after_script", "archive_cache", "upload_artifacts_on_success"])
            {
                Assert.Matches($"section_start:[0-9]+:{section}\r", job.Log);
                Assert.Matches($"section_end:[0-9]+:{section}\r", job.Log);
            }
        }

        var zip = _server.Uploads[(first.Id, "archive", "build.zip")];
        Assert.Equal(["out/", "out/link", "out/result"], new ZipArchive(new MemoryStream(zip.Content)).Entries.Select(static e => e.FullName).Order(StringComparer.Ordinal));
        var junit = _server.Uploads[(first.Id, "junit", "junit.xml.gz")];
        Assert.Equal(("gzip", "<testsuite/>\n"), (junit.Format, new StreamReader(new GZipStream(new MemoryStream(junit.Content), CompressionMode.Decompress)).ReadToEnd()));

        var second = DirectJob.Payload(_server, sha, "cat vendor/lib", "cat out/link", "stat -c %a out/result", "exit 9") with
        {
            Variables = [new("GIT_DEPTH", "1", true, false, false, false)],
            Cache = [new() { Key = "deps-out", Paths = ["vendor/"], Policy = "pull" }],
            Dependencies = [new() { Id = first.Id, Name = "build", Token = DirectJob.Token, ArtifactsFile = new() { Filename = "build.zip", Size = 1 } }],
            Artifacts = [new() { Paths = ["vendor"], When = "on_failure", Untracked = false }, new() { Name = "never", Paths = ["out"] }],
        };
        using var dependent = new DirectJob(_server);
        var failed = await dependent.RunAsync(second);
        Assert.True(failed is GitLabOutcome.Failed { Reason: GitLabFailureReason.ScriptFailure, ExitCode: 9 }, $"{failed}\n{dependent.Log}");
        Assert.Contains("\ncached\n", dependent.Log);
        Assert.Contains("\nresult\n", dependent.Log);
        Assert.Contains("\n755\n", dependent.Log);
        Assert.Equal([(second.Id, "archive", "artifacts.zip")], _server.Uploads.Keys.Where(k => k.Job == second.Id));
        Leftovers.AssertNone();
    }

    [Fact]
    public async Task The_example_pipeline_goes_through_and_finds_its_cache_the_second_time()
    {
        var folder = Path.Combine(Runner.Root, "examples", "gitlab");
        var pipeline = new ExamplePipeline(Path.Combine(folder, ".gitlab-ci.yml"));
        var sha = _server.AddRepository("group/project", (".gitlab-ci.yml", await File.ReadAllTextAsync(Path.Combine(folder, ".gitlab-ci.yml"), TestContext.Current.CancellationToken)));
        var build = pipeline.Fill("build", DirectJob.Payload(_server, sha));
        var (first, second) = (await RunAsync(build), await RunAsync(build with { Id = build.Id + 1 }));
        Assert.DoesNotContain("\nfrom the cache", first);
        Assert.Contains("\nfrom the cache", second);
        var test = pipeline.Fill("test", DirectJob.Payload(_server, sha)) with
        {
            Dependencies = [new() { Id = build.Id, Name = "build", Token = DirectJob.Token, ArtifactsFile = new() { Filename = "artifacts.zip", Size = 1 } }],
        };
        var log = await RunAsync(test);
        Assert.Contains($"\nbuilt from {sha[..8]}\n", log);
        Assert.Contains("\nthe job ended with success\n", log);
        Assert.Contains(_server.Uploads.Keys, k => k == (test.Id, "junit", "junit.xml.gz"));
    }

    private async Task<string> RunAsync(RunnerVm.Sources.GitLab.Payload.JobResponse payload)
    {
        using var job = new DirectJob(_server);
        var outcome = await job.RunAsync(payload);
        Assert.True(outcome is GitLabOutcome.Succeeded, $"{outcome}\n{job.Log}");
        return job.Log;
    }

    [Fact]
    public async Task Cancelling_stops_the_script_and_still_runs_after_script_and_uploads()
    {
        var sha = _server.AddRepository("group/project", ("README.md", "x"));
        using var job = new DirectJob(_server);
        var payload = DirectJob.Payload(_server, sha, "echo before >kept", "trap 'echo cleaned up' EXIT", "sleep 1000", "echo never") with
        {
            Artifacts = [new() { Paths = ["kept"], When = "always" }],
        };
        payload = payload with { Steps = [.. payload.Steps, new() { Name = "after_script", Script = ["echo after: $CI_JOB_STATUS"] }] };
        var running = job.RunAsync(payload);
        using (var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(50)))
            while (!running.IsCompleted && !job.Log.Contains("sleep 1000", StringComparison.Ordinal)) await tick.WaitForNextTickAsync();
        job.Stop.Cancel();
        var outcome = await running;
        Assert.True(outcome is GitLabOutcome.Cancelled, $"{outcome}\n{job.Log}");
        Assert.Contains("after: canceled", job.Log);
        Assert.DoesNotContain("\nnever", job.Log);
        Assert.Single(_server.Uploads.Keys, k => k.Job == payload.Id);
        Leftovers.AssertNone();
    }

    [Fact]
    public async Task What_cannot_be_done_here_is_refused_before_any_machine_starts()
    {
        using var job = new DirectJob(_server);
        var outcome = await job.RunAsync(DirectJob.Payload(_server, "x", "true") with { Services = [new() { Name = "postgres:16" }] });
        var failed = Assert.IsType<GitLabOutcome.Failed>(outcome);
        Assert.Equal(GitLabFailureReason.RunnerConfigurationError, failed.Reason);
        Assert.Contains("postgres:16", failed.Message);
        Assert.Empty(_server.Requests);
    }
}

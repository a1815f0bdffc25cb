using System.Diagnostics;
using System.IO.Compression;
using System.Text.RegularExpressions;
using Tmds.Linux;
using Xunit;

namespace RunnerVm.Tests.Machines.GitLab;

public sealed class CustomExecutorTests : IDisposable
{
    private const long JobId = 4242;

    private readonly GitServer _server = new(DirectJob.Token);

    public void Dispose()
    {
        _server.Dispose();
        var caches = Path.Combine(Runner.Home, "caches");
        if (Directory.Exists(caches)) Directory.Delete(caches, recursive: true);
    }

    [Fact]
    public async Task A_job_goes_through_all_of_gitlab_runners_calls_in_one_machine()
    {
        _server.AddRepository("group/project", ("README.md", "hello from git\n"));
        using var driver = new RunnerDriver(Response(), ExampleArguments("prepare_args"));
        var config = await driver.ConfigAsync();
        var builds = config.GetProperty("builds_dir").GetString()!;
        Assert.Equal(("runnervm", false), (config.GetProperty("driver").GetProperty("name").GetString(), config.GetProperty("builds_dir_is_shared").GetBoolean()));
        Assert.True(await driver.PrepareAsync() == 0, driver.Log);

        var project = $"{builds}/group/project";
        var files = $"--url http://127.0.0.1:{_server.Port}/ --token {DirectJob.Token} --id {JobId}";
        var clone = _server.UrlWithToken("group/project").Replace("127.0.0.1", "host.runnervm.internal", StringComparison.Ordinal);
        await ExpectAsync(driver, 0, "prepare_script", "echo \"Running on $(hostname)\"");
        await ExpectAsync(driver, 0, "get_sources", $"git clone -q {clone} {project}");
        await ExpectAsync(driver, 0, "restore_cache", $"cd {project}\nif gitlab-runner --version >/dev/null 2>&1; then gitlab-runner cache-extractor --file ../../../cache/group/project/k/cache.zip --timeout 10 || echo no cache; else echo missing gitlab-runner; fi");
        await ExpectAsync(driver, 0, "build_script", $"cd {project}\ncat README.md\nmkdir -p out && echo built >out/x && echo err >&2");
        await ExpectAsync(driver, RunnerDriver.BuildFailure, "step_release", "exit 41");
        Assert.Equal("41", driver.ExitCodeFile!.Split('\n')[0]);
        await ExpectAsync(driver, 0, "a_stage_nobody_knows", $"cd {project}\ngitlab-runner cache-archiver --file ../../../cache/group/project/k/cache.zip --timeout 10 --path out\nrm -r out\ngitlab-runner cache-extractor --file ../../../cache/group/project/k/cache.zip\ncat out/x");
        await ExpectAsync(driver, 0, "upload_artifacts_on_success", $"cd {project}\ngitlab-runner artifacts-uploader {files} --timeout 1h0m0s --path out --path missing --name build --artifact-format zip --artifact-type archive --expire-in '1 week'");
        Assert.Equal(["out/", "out/x"], new ZipArchive(new MemoryStream(_server.Uploads[(JobId, "archive", "build.zip")].Content)).Entries.Select(static e => e.FullName));
        await ExpectAsync(driver, 0, "download_artifacts", $"cd {project} && rm -r out\ngitlab-runner artifacts-downloader {files}\ncat out/x");
        await ExpectAsync(driver, RunnerDriver.BuildFailure, "theft", $"cd {project}\ngitlab-runner artifacts-uploader --url x --token {DirectJob.Token} --id 1 --path .");
        foreach (var said in (string[])["Running on gitlab-4242", "hello from git", "no cache", "err", "built", "are not this job's", "Machine ready"]) Assert.Contains(said, driver.Log);
        Assert.DoesNotContain("missing gitlab-runner", driver.Log);

        var keeper = Assert.Single(Keepers());
        Assert.DoesNotContain("custom-env-secret", File.ReadAllText($"/proc/{keeper}/environ"));
        Assert.Equal(0, await driver.CleanUpAsync());
        Leftovers.AssertNone();
        Assert.Empty(Keepers());
        Assert.Equal(0, await driver.CleanUpAsync());
        Assert.Equal(RunnerDriver.SystemFailure, await driver.RunAsync("build_script", "true"));
    }

    [Fact]
    public async Task A_prepare_that_cannot_make_a_machine_says_why_and_cleanup_is_content()
    {
        using var driver = new RunnerDriver(Response(), "--image", "no-such-image");
        Assert.Equal(RunnerDriver.SystemFailure, await driver.PrepareAsync());
        Assert.Contains("There is no image \"no-such-image\"", driver.Log);
        Assert.Equal(0, await driver.CleanUpAsync());

        using var services = new RunnerDriver(new { id = JobId, token = DirectJob.Token, services = new[] { new { name = "redis" } } });
        Assert.Equal(RunnerDriver.BuildFailure, await services.PrepareAsync());
        Assert.Contains("redis", services.Log);
        Leftovers.AssertNone();
    }

    [Fact]
    public async Task A_call_that_is_told_to_end_stops_its_script_and_the_machine_lives_on()
    {
        using var driver = new RunnerDriver(Response());
        Assert.True(await driver.PrepareAsync() == 0, driver.Log);
        using (var call = driver.Start("build_script", "echo started\nsleep 1000"))
        {
            Assert.Equal("started", await call.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromMinutes(1)));
            var started = Stopwatch.GetTimestamp();
            Assert.Equal(0, LibC.kill(call.Id, LibC.SIGTERM));
            await call.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(1));
            Assert.Equal(RunnerDriver.BuildFailure, call.ExitCode);
            Assert.True(Stopwatch.GetElapsedTime(started) < TimeSpan.FromSeconds(9));
        }

        await ExpectAsync(driver, 0, "after_script", "grep -l sleep /proc/[0-9]*/comm || echo nothing left");
        Assert.Contains("nothing left", driver.Log);
        Assert.Equal(0, await driver.CleanUpAsync());
        Leftovers.AssertNone();
    }

    [Fact]
    public async Task A_keeper_that_is_killed_takes_its_machine_along_and_the_calls_behind_it_say_so()
    {
        using var driver = new RunnerDriver(Response());
        Assert.True(await driver.PrepareAsync() == 0, driver.Log);
        using (var call = driver.Start("build_script", "echo started\nsleep 1000"))
        {
            Assert.Equal("started", await call.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromMinutes(1)));
            using (var keeper = Process.GetProcessById(Assert.Single(Keepers()))) keeper.Kill();
            await call.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(1));
            Assert.Equal(RunnerDriver.SystemFailure, call.ExitCode);
        }

        await Leftovers.NoMachineSoonAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(RunnerDriver.SystemFailure, await driver.RunAsync("after_script", "true"));
        Assert.Contains("The job's machine is gone", driver.Log);
        Assert.Equal(0, await driver.CleanUpAsync());
        Leftovers.AssertNone();
    }

    [Fact]
    public async Task A_machine_goes_with_the_gitlab_runner_above_it()
    {
        using var driver = new RunnerDriver(Response());
        using var runner = driver.StartPrepareUnderRunner();
        string? line;
        do line = await runner.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromMinutes(2));
        while (line?.StartsWith("prepared", StringComparison.Ordinal) == false);
        Assert.Equal("prepared 0", line);
        Assert.Single(Keepers());
        runner.Kill();

        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (Keepers().Count > 0) await tick.WaitForNextTickAsync(deadline.Token);
        Leftovers.AssertNone();
    }

    /// <summary>What the example's config.toml gives gitlab-runner for a call, behind <c>gitlab prepare</c>.</summary>
    private static string[] ExampleArguments(string name)
    {
        var toml = File.ReadAllText(Path.Combine(Runner.Root, "examples", "gitlab", "config.toml"));
        foreach (var (key, verb) in new[] { ("config_args", "config"), ("prepare_args", "prepare"), ("run_args", "run"), ("cleanup_args", "cleanup") })
            Assert.Equal(["gitlab", verb], Words(toml, key).Take(2));
        return [.. Words(toml, name).Skip(2)];
    }

    private static IEnumerable<string> Words(string toml, string key) =>
        Regex.Matches(Regex.Match(toml, $@"\b{key} = \[(.*?)\]", RegexOptions.Singleline).Groups[1].Value, "\"([^\"]*)\"").Select(static m => m.Groups[1].Value);

    private object Response() => new
    {
        id = JobId,
        token = DirectJob.Token,
        job_info = new { name = "custom", project_id = 77, project_full_path = "group/project" },
        git_info = new { repo_url = _server.UrlWithToken("group/project"), sha = "", @protected = false },
        runner_info = new { timeout = 600 },
        dependencies = new[] { new { id = JobId, name = "itself", token = DirectJob.Token, artifacts_file = new { filename = "build.zip", size = 1 } } },
        a_field_of_tomorrow = 1,
    };

    private static async Task ExpectAsync(RunnerDriver driver, int code, string stage, string body)
    {
        var ended = await driver.RunAsync(stage, body);
        Assert.True(code == ended, $"{stage} ended with {ended}\n{driver.Log}");
    }

    /// <summary>Processes that keep a machine of these tests' data directory.</summary>
    private static List<int> Keepers()
    {
        var found = new List<int>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), out var pid)) continue;
            try
            {
                if (File.ReadAllText($"{folder}/cmdline").EndsWith("gitlab\0keep\0", StringComparison.Ordinal)
                    && File.ReadAllText($"{folder}/environ").Contains($"RUNNERVM_HOME={Runner.Home}\0", StringComparison.Ordinal)) found.Add(pid);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It has just ended.
            }
        }

        return found;
    }
}

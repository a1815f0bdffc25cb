using CliWrap;
using CliWrap.Buffered;
using RunnerVm.Sources.GitLab;
using RunnerVm.Sources.GitLab.Payload;
using RunnerVm.Sources.GitLab.Scripts;
using RunnerVm.Sources.GitLab.Variables;
using RunnerVm.Tests.Executor.Sources.GitLab.Variables;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitLab.Scripts;

/// <summary>The script against real repositories, by file:// on this host.</summary>
public sealed class GetSourcesScriptTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("rvgit").FullName;

    private string Project => Path.Join(_root, "work", "project");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task The_commit_is_checked_out_with_the_depth_that_was_asked_for()
    {
        var origin = await OriginAsync("origin", 3);
        var done = await RunAsync(origin, depth: 1);
        Assert.Equal(0, done.ExitCode);
        Assert.Equal("file 3", await File.ReadAllTextAsync(Path.Join(Project, "file")));
        Assert.Equal("1", await GitAsync(Project, "rev-list", "--count", "HEAD"));
        Assert.Equal(await GitAsync(origin, "rev-parse", "HEAD"), await GitAsync(Project, "rev-parse", "HEAD"));
        Assert.Contains("Checking out ", done.StandardOutput);
        Assert.Contains("git depth set to 1", done.StandardOutput);
    }

    [Fact]
    public async Task Depth_0_brings_all_of_the_history_and_no_checkout_brings_no_files()
    {
        var origin = await OriginAsync("origin", 3);
        Assert.Equal(0, (await RunAsync(origin, depth: 0, ("GIT_CHECKOUT", "false"))).ExitCode);
        Assert.Equal("3", await GitAsync(Project, "rev-list", "--count", "refs/remotes/origin/main"));
        Assert.False(File.Exists(Path.Join(Project, "file")));
    }

    [Theory]
    [InlineData("none")]
    [InlineData("empty")]
    public async Task Without_a_repository_there_is_a_folder_and_nothing_in_it(string strategy)
    {
        Assert.Equal(0, (await RunAsync("/nowhere", depth: 1, ("GIT_STRATEGY", strategy))).ExitCode);
        Assert.Empty(Directory.GetFileSystemEntries(Project));
    }

    [Fact]
    public async Task A_strategy_nobody_knows_is_told_and_the_default_used()
    {
        var settings = GitSettings.Read(new() { AllowGitFetch = true }, VariableExpansionTests.Of(("GIT_STRATEGY", "teleport")));
        Assert.Equal(GitStrategy.Fetch, settings.Strategy);
        Assert.Contains("teleport", Assert.Single(settings.Warnings));
        Assert.Throws<JobRefusedException>(() => GitSettings.Read(new(), VariableExpansionTests.Of(("GIT_SUBMODULE_STRATEGY", "deep"))));
        await Task.CompletedTask;
    }

    [Fact]
    public async Task Submodules_come_along_recursively_when_asked_for()
    {
        var inner = await OriginAsync("inner", 1);
        var middle = await OriginAsync("middle", 1);
        await AddSubmoduleAsync(middle, inner, "inner");
        var origin = await OriginAsync("origin", 1);
        await AddSubmoduleAsync(origin, middle, "middle");
        var done = await RunAsync(origin, depth: 0, ("GIT_SUBMODULE_STRATEGY", "recursive"), ("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "protocol.file.allow"), ("GIT_CONFIG_VALUE_0", "always"));
        Assert.True(done.ExitCode == 0, done.StandardOutput + done.StandardError);
        Assert.True(File.Exists(Path.Join(Project, "middle", "inner", "file")));
    }

    [Fact]
    public async Task A_commit_that_is_not_there_fails()
    {
        var origin = await OriginAsync("origin", 1);
        Assert.NotEqual(0, (await RunAsync(origin, depth: 1, "0123456789012345678901234567890123456789")).ExitCode);
    }

    [Fact]
    public async Task The_token_is_only_in_the_credentials_file()
    {
        var payload = new JobResponse { Token = "glcbt-64_sec'ret", GitInfo = new() { RepoUrl = "http://gitlab-ci-token:glcbt-64_sec%27ret@127.0.0.1:8080/group/project.git" } };
        var credentials = new GitCredentials(payload, onLoopback: true);
        Assert.Equal("http://127.0.0.1:8080/group/project.git", credentials.Url);
        var file = Path.Join(_root, "credentials");
        await File.WriteAllBytesAsync(file, credentials.ToFile(VariableExpansionTests.Of(("CI_SERVER_SHELL_SSH_HOST", "git.example")), forceHttps: true));
        var origin = await OriginAsync("origin", 1);
        await GitAsync(origin, "config", "include.path", file);
        Assert.Equal("http://gitlab-ci-token:glcbt-64_sec%27ret@host.runnervm.internal:8080/group/project.git", await GitAsync(origin, "ls-remote", "--get-url", "http://127.0.0.1:8080/group/project.git"));
        Assert.Equal("http://gitlab-ci-token:glcbt-64_sec%27ret@host.runnervm.internal:8080/a/b.git", await GitAsync(origin, "ls-remote", "--get-url", "git@git.example:a/b.git"));
        Assert.Equal("https://elsewhere.example/x.git", await GitAsync(origin, "ls-remote", "--get-url", "https://elsewhere.example/x.git"));
    }

    [Fact]
    public async Task Gits_certificates_are_those_the_runner_trusts_and_for_that_server_alone()
    {
        var payload = new JobResponse { Token = "t", GitInfo = new() { RepoUrl = "https://gitlab-ci-token:t@gitlab.example:8443/group/project.git" }, JobInfo = new() { ProjectFullPath = "group/project" } };
        var variables = RunnerVariables.Compose(payload, new("r", "short", "r_1", new("https://gitlab.example:8443/"), CaCertificates: "PEM"), new(Project));
        var file = Path.Join(_root, "credentials");
        await File.WriteAllBytesAsync(file, new GitCredentials(payload, onLoopback: false).ToFile(variables, forceHttps: false), TestContext.Current.CancellationToken);
        Assert.Equal("PEM", Assert.Single(variables.Ordered, static v => v.Key == "CI_SERVER_TLS_CA_FILE").Value);
        var origin = await OriginAsync("origin", 1);
        Assert.Equal(variables.Find("CI_SERVER_TLS_CA_FILE"), await GitAsync(origin, "config", "-f", file, "--get-urlmatch", "http.sslCAInfo", "https://gitlab-ci-token:t@gitlab.example:8443/group/project.git"));
        var other = await Cli.Wrap("git").WithArguments(["config", "-f", file, "--get-urlmatch", "http.sslCAInfo", "https://other.example/x.git"]).WithValidation(CommandResultValidation.None).ExecuteBufferedAsync();
        Assert.Equal("", other.StandardOutput);
    }

    private Task<BufferedCommandResult> RunAsync(string origin, int depth, params (string, string)[] variables) => RunAsync(origin, depth, "", variables);

    private async Task<BufferedCommandResult> RunAsync(string origin, int depth, string sha, params (string, string)[] variables)
    {
        var git = new GitInfo
        {
            Sha = sha.Length > 0 || !Directory.Exists(origin) ? sha : await GitAsync(origin, "rev-parse", "HEAD"),
            Ref = "main",
            Depth = depth,
            Refspecs = ["+refs/heads/main:refs/remotes/origin/main"],
        };
        var payload = new JobResponse { GitInfo = git, AllowGitFetch = true };
        var all = VariableExpansionTests.Of(variables);
        return await Shell.RunAsync(GetSourcesScript.Write(payload, all, new(Project), GitSettings.Read(payload, all), $"file://{origin}"));
    }

    private async Task<string> OriginAsync(string name, int commits)
    {
        var folder = Directory.CreateDirectory(Path.Join(_root, name)).FullName;
        await GitAsync(folder, "init", "-q", "-b", "main");
        for (var i = 1; i <= commits; i++)
        {
            await File.WriteAllTextAsync(Path.Join(folder, "file"), $"file {i}");
            await GitAsync(folder, "add", "-A");
            await CommitAsync(folder);
        }

        return folder;
    }

    private static async Task AddSubmoduleAsync(string folder, string other, string name)
    {
        await GitAsync(folder, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", $"file://{other}", name);
        await CommitAsync(folder);
    }

    private static Task<string> CommitAsync(string folder) =>
        GitAsync(folder, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "change");

    private static async Task<string> GitAsync(string folder, params string[] arguments)
    {
        var done = await Cli.Wrap("git").WithArguments(["-C", folder, .. arguments]).WithValidation(CommandResultValidation.None).ExecuteBufferedAsync();
        Assert.True(done.ExitCode == 0, $"git {string.Join(' ', arguments)}: {done.StandardError}");
        return done.StandardOutput.Trim();
    }
}

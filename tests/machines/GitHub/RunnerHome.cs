using RunnerVm.Tests.StandIns.GitHub;
using Xunit;

namespace RunnerVm.Tests.Machines.GitHub;

/// <summary>
/// A data directory with a runner on a disk and a snapshot of machines that have it. The runner is a script of ours, or the
/// official one where RUNNERVM_ACTIONS_RUNNER_DIR names its folder.
/// </summary>
public sealed class RunnerHome : IAsyncLifetime
{
    private readonly TestFolder _folder = new();

    public string Path { get; } = Directory.CreateTempSubdirectory("rv-").FullName;

    /// <summary>GitHub's own runs, in what it needs.</summary>
    internal static bool IsOfficial => OfficialRunner.Folder is not null;

    internal static string Image => IsOfficial ? "github-runner" : "debian-12";

    internal static int Megabytes => IsOfficial ? 768 : 256;

    private static string Machine => $"{{executor: qemu, memory: {Megabytes}MB, disk: 1GB}}";

    internal string[] Kind => ["--image", Image, "--memory", $"{Megabytes}MB", "--disk", "1GB", "--read-only-disk", $"actions-runner={Directory.GetFiles(System.IO.Path.Join(Path, "runners"), "*.erofs").Single()}"];

    internal IReadOnlyDictionary<string, string> Variables => new Dictionary<string, string> { ["RUNNERVM_HOME"] = Path };

    public async ValueTask InitializeAsync()
    {
        SnapshotHome.LinkImages(Path);
        (await RunAsync("runner", "fetch", "--from", OfficialRunner.Folder ?? Script(), "--released", DateTime.UtcNow.ToString("yyyy-MM-dd"))).ExpectExit(0);
        (await RunAsync(["snapshot", "create", .. Kind])).ExpectExit(0);
    }

    public ValueTask DisposeAsync()
    {
        _folder.Dispose();
        Directory.Delete(Path, recursive: true);
        return ValueTask.CompletedTask;
    }

    internal Task<Finished> RunAsync(params string[] arguments) => Runner.RunAsync(Path, arguments, Variables, limit: TimeSpan.FromMinutes(10));

    /// <summary>What --check says of a configuration's sources.</summary>
    internal async Task<Finished> CheckAsync(string sources)
    {
        _folder.Write("check.yml", $"{Host(1)}\n{sources}\n");
        return await RunAsync("agent", "--check", "--config", _folder.File("check.yml"));
    }

    /// <summary>What a configuration says of the host that has room for so many of these machines.</summary>
    internal static string Host(int jobs) => $"capacity: {{jobs: {jobs}, cpus: {jobs}, memory: {jobs * Megabytes}MB}}\nrunner: {Machine}";

    /// <summary>An agent that serves the label "small" of acme.</summary>
    internal async Task<AgentProcess> StartAgentAsync(GitHubStandIn server, int jobs, AgentWishes? wishes = null)
    {
        server.World.RunnerUrl = new($"http://host.runnervm.internal:{server.Url.Port}");
        var agent = AgentProcess.Create(
            Configuration(server, jobs, wishes ?? new()), new Dictionary<string, string>(Variables) { ["STAND_IN_TOKEN"] = server.World.Tokens.NewPersonal() });
        await agent.WaitForLineAsync("Takes up to");
        TestContext.Current.TestOutputHelper?.WriteLine(IsOfficial ? $"In its machines: GitHub's own runner, of {OfficialRunner.Folder}" : "In its machines: the tests' own runner, runner.sh");
        return agent;
    }

    internal static string Configuration(GitHubStandIn server, int jobs, AgentWishes wishes) =>
        $$"""
        {{Host(jobs)}}
        github:
          - url: {{server.Url}}acme
            {{wishes.Credential}}
            network: {{wishes.Network ?? $"{{allow: [\"host:{server.Url.Port}\"]}}"}}
            runners: [{labels: [{{wishes.Labels}}], image: {{Image}}, scale-set: small-tests}]
        {{wishes.More}}
        """;

    private string Script()
    {
        var bin = _folder.File("runner/bin");
        Directory.CreateDirectory(bin);
        var listener = System.IO.Path.Join(bin, "Runner.Listener");
        File.Copy(System.IO.Path.Join(Runner.Root, "tests", "machines", "GitHub", "runner.sh"), listener);
        File.SetUnixFileMode(listener, (UnixFileMode)0b111_101_101);
        File.WriteAllText(listener + ".deps.json", """{"libraries": {"Runner.Listener/2.999.0": {"type": "project"}}}""");
        return _folder.File("runner");
    }
}

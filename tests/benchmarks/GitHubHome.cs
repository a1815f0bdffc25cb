using RunnerVm.Store;
using RunnerVm.Tests.StandIns.GitHub;

namespace RunnerVm.Benchmarks;

/// <summary>A data directory with a runner of the tests on a disk, and a snapshot of machines that have it.</summary>
internal sealed class GitHubHome : IDisposable
{
    private const string Machine = "executor: qemu, memory: 256MB, disk: 1GB";

    private readonly string _path = Directory.CreateTempSubdirectory("rvb").FullName;

    public static GitHubHome Create()
    {
        var home = new GitHubHome();
        var shared = DataDirectory.FromEnvironment();
        foreach (var folder in new[] { shared.Images, shared.Kernels }) Directory.CreateSymbolicLink(Path.Join(home._path, Path.GetFileName(folder)), folder);
        var before = Environment.GetEnvironmentVariable("RUNNERVM_HOME");
        Environment.SetEnvironmentVariable("RUNNERVM_HOME", home._path);
        try
        {
            BuiltProgram.Run(null, "runner", "fetch", "--from", home.Script(), "--released", DateTime.UtcNow.ToString("yyyy-MM-dd"));
            var disk = Directory.GetFiles(Path.Join(home._path, "runners"), "*.erofs").Single();
            BuiltProgram.Run(null, "snapshot", "create", "--engine", "qemu", "--memory", "256MB", "--disk", "1GB", "--read-only-disk", $"actions-runner={disk}");
        }
        finally
        {
            Environment.SetEnvironmentVariable("RUNNERVM_HOME", before);
        }

        return home;
    }

    /// <param name="waiting">Machines that wait.</param>
    public AgentUnderTest StartAgent(GitHubStandIn server, int jobs, string snapshots, int waiting = 0) => Start(server, snapshots, $$"""
        capacity: {jobs: {{jobs}}, cpus: {{jobs}}, memory: {{(jobs + waiting) * 256}}MB}
        runner: { {{Machine}} }
        images: [{{(waiting > 0 ? $"{{image: debian-12, warm: {waiting}}}" : "")}}]
        github: [{{Source(server, "acme")}}]
        """);

    /// <param name="sources">Organizations, each with a scale set of its own.</param>
    public AgentUnderTest StartIdleAgent(GitHubStandIn server, int sources) => Start(server, "existing", $$"""
        capacity: {jobs: 2, cpus: 2, memory: 512MB}
        runner: { {{Machine}} }
        listen: 127.0.0.1:{{FreePort()}}
        github: [{{string.Join(", ", Enumerable.Range(1, sources).Select(i => Source(server, $"organization-{i}")))}}]
        """);

    /// <summary>In how many jobs' logs a text stands.</summary>
    public int LogsWith(string text) => Directory.GetFiles(Path.Join(_path, "logs"), "gh-*.log").Count(log => File.ReadAllText(log).Contains(text, StringComparison.Ordinal));

    public void Dispose() => Directory.Delete(_path, recursive: true);

    private static string Source(GitHubStandIn server, string organization) =>
        $$"""{url: "{{server.Url}}{{organization}}", token: {env: STAND_IN_TOKEN}, network: {allow: ["host:{{server.Url.Port}}"]}, runners: [{labels: small, image: debian-12, scale-set: {{organization}}}]}""";

    private AgentUnderTest Start(GitHubStandIn server, string snapshots, string configuration)
    {
        server.World.RunnerUrl = new($"http://host.runnervm.internal:{server.Url.Port}");
        var path = Path.Join(_path, "agent.yml");
        File.WriteAllText(path, configuration);
        return new(BuiltProgram.Path, ["agent", "--config", path], new()
        {
            ["RUNNERVM_HOME"] = _path, ["RUNNERVM_SNAPSHOTS"] = snapshots, ["STAND_IN_TOKEN"] = server.World.Tokens.NewPersonal(),
        });
    }

    private static int FreePort()
    {
        using var socket = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        socket.Start();
        return ((System.Net.IPEndPoint)socket.LocalEndpoint).Port;
    }

    /// <summary>The tests' own runner: GitHub's is not ours to hand on, and what it does before it listens is not what is measured.</summary>
    private string Script()
    {
        var folder = Path.Join(_path, "runner-files");
        Directory.CreateDirectory(Path.Join(folder, "bin"));
        var listener = Path.Join(folder, "bin", "Runner.Listener");
        File.Copy(Path.Join(BuiltProgram.Root, "tests", "machines", "GitHub", "runner.sh"), listener);
        File.SetUnixFileMode(listener, (UnixFileMode)0b111_101_101);
        File.WriteAllText(listener + ".deps.json", """{"libraries": {"Runner.Listener/2.999.0": {"type": "project"}}}""");
        return folder;
    }
}

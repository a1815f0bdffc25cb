using System.Text.Json;
using RunnerVm.Agents;
using RunnerVm.Jobs;
using RunnerVm.Sources.GitHub;
using RunnerVm.Sources.GitHub.Authentication;
using RunnerVm.Sources.Local;
using RunnerVm.Tests.Executor.Sources;
using Xunit;

namespace RunnerVm.Tests.Executor.Agents;

/// <summary>The agent's configuration: what it means, what is wrong with it, and that the schema says the same.</summary>
public sealed class AgentFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rvagent").FullName;
    private readonly Dictionary<string, string> _variables = new() { ["TOKEN"] = "glrt-abcdefghij" };

    private static readonly Lazy<string> Pem = new(static () =>
    {
        using var key = System.Security.Cryptography.RSA.Create(2048);
        return key.ExportRSAPrivateKeyPem();
    });

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_least_that_is_needed_gets_the_defaults()
    {
        var options = Load("gitlab: [{url: 'https://gitlab.example.com/', token: {env: TOKEN}}]");
        Assert.Equal(new AgentCapacity(8, new(8, 12288)), options.Capacity);
        Assert.Equal(("vmm", Isolation.Kernel), (options.Engine, options.Isolation));
        var runner = Assert.Single(options.GitLab);
        Assert.Equal(("gitlab.example.com", "glrt-abcdefghij", "abcdefghi"), (runner.Name, runner.Token, runner.ShortToken));
        Assert.Equal("https://gitlab.example.com/api/v4/", runner.Server.Api.AbsoluteUri);
        Assert.Equal("debian-12", runner.Images.Choose(null)!.Image);
        Assert.Null(runner.Images.Choose("ruby:3"));
    }

    [Fact]
    public void Images_choose_recipe_size_and_network()
    {
        var runner = Load("""
            runner: {executor: qemu, cpus: 2, memory: 2GB, network: none}
            gitlab:
              - url: http://127.0.0.1:1
                token: {env: TOKEN}
                images:
                  - {match: "node:*", image: debian-12-node, memory: 4GB, network: open}
                  - {match: "*"}
            """).GitLab[0];
        var node = runner.Images.Choose("node:22")!;
        Assert.Equal(("debian-12-node", 2, 4096, NetworkKind.Filtered), (node.Image, node.Request.Cpus, node.Request.MemoryMib, node.Network.Kind));
        var other = runner.Images.Choose("registry.example.com/any/thing@sha256:0")!;
        Assert.Equal(("debian-12", 2048, NetworkKind.None), (other.Image, other.Request.MemoryMib, other.Network.Kind));
        Assert.Equal(new MachineSize(2, 4096), runner.Images.Largest);
    }

    [Fact]
    public void Logs_are_kept_within_bounds_and_wrong_bounds_are_told_with_their_place()
    {
        const string GitLab = "gitlab: [{url: \"https://gitlab.example.com\", token: {env: TOKEN}}]\n";
        _variables["TOKEN"] = "glrt-t1_abc";
        Assert.Equal(new LogLimits(), Load(GitLab).Logs);
        Assert.Equal(new() { Jobs = 5, Age = TimeSpan.FromDays(3), Bytes = 64 << 20 }, Load(GitLab + "logs: {jobs: 5, age: 3d, size: 64MiB}").Logs);
        var refusal = Refused(GitLab + "logs: {jobs: 0, age: 1s,\n  days: 3}");
        Assert.Contains(":2:14: \"jobs\"", refusal);
        Assert.Contains(":2:22: \"age\" should be from 1m to", refusal);
        Assert.Contains(":3:3: unknown key \"days\"", refusal);
    }

    [Fact]
    public void Machines_that_wait_have_the_runners_size_where_nothing_else_is_said()
    {
        var warm = Load("""
            runner: {executor: qemu, memory: 2GB}
            images: [{image: debian-12-node, warm: 2, memory: 4GB, network: none}, {warm: 1}]
            gitlab: [{url: 'http://127.0.0.1:1', token: {env: TOKEN}}]
            """).Warm;
        Assert.Equal(("debian-12-node", 2, 4096, NetworkKind.None), (warm[0].Image, warm[0].Count, warm[0].Machine.MemoryMib, warm[0].Network.Kind));
        Assert.Equal(("debian-12", 1, 2048, NetworkKind.Filtered), (warm[1].Image, warm[1].Count, warm[1].Machine.MemoryMib, warm[1].Network.Kind));
        Assert.Equal((2048, "qemu"), (warm[1].ToJob().Machine.MemoryMib, warm[1].ToJob().Machine.Engine));
    }

    [Fact]
    public void Machines_that_wait_for_jobs_of_GitHub_have_its_runner_on_a_disk()
    {
        _variables["TOKEN"] = "glrt-t1_abc";
        const string Waiting = "images: [{image: debian-12, warm: 1}, {image: debian-12-node, warm: 2, memory: 2GB}]\n";
        var token = Path.Join(_folder, "token");
        File.WriteAllText(token, "github_pat_abc");
        var gitHub = $"github: [{{url: \"https://github.com/acme\", token: {{file: {token}}}, runners: [{{labels: small, image: debian-12}}]}}]\n";
        const string GitLab = "gitlab: [{url: \"https://gitlab.example.com\", token: {env: TOKEN}}]\n";
        var runner = new JobDisk("actions-runner", "/runners/2.336.0.erofs");
        Assert.Equal(["debian-12 1", "debian-12-node 0"], Kinds(Waiting + gitHub));
        Assert.Equal(["debian-12 0", "debian-12-node 0"], Kinds(Waiting + GitLab));
        Assert.Equal(["debian-12 1", "debian-12 0", "debian-12-node 0"], Kinds(Waiting + gitHub + GitLab));

        IEnumerable<string> Kinds(string yaml) => WarmImage.For(Load(yaml), runner).Select(static w => $"{w.Image} {w.Disks.Count}");
    }

    [Fact]
    public void More_waiting_machines_than_the_capacity_holds_and_what_cannot_wait_are_told()
    {
        const string GitLab = "gitlab: [{url: 'http://127.0.0.1:1', token: {env: TOKEN}}]";
        Assert.Contains("the machines that wait may need 40960 MiB", Refused($"images: [{{warm: 10, memory: 4GB}}]\n{GitLab}"));
        Assert.Contains("\"warm\" is missing", Refused($"images: [{{image: debian-12}}]\n{GitLab}"));
        Assert.Contains("\"images\" should be a list", Refused($"images: {{debian-12: 1}}\n{GitLab}"));
        Assert.Contains("no machine waits on gvisor", Refused($"runner: {{executor: gvisor}}\nimages: [{{warm: 1}}]\n{GitLab}"));
    }

    [Fact]
    public void Everything_wrong_is_told_at_once_with_its_place()
    {
        var text = Refused("""
            capacity: {cpu: 4, jobs: none}
            runner: {executor: qemux}
            gitlab:
              - url: gitlab.example.com
                token: glrt-secretsecret
              - url: https://gitlab.example.com
                token: {env: NOT_THERE}
                unknown-images: ignore
              - token: {file: /nowhere/token}
              - url: https://gitlab.example.com
                name: big
                token: {env: TOKEN}
                images: [{match: x, memory: 64GB}]
            """);
        string[] expected =
        [
            ":1:12: unknown key \"cpu\" in \"capacity\"; did you mean \"cpus\"?",
            ":1:26: \"jobs\" should be a whole number from 1 to 1000, found \"none\"",
            ":2:20: \"executor\" should be one of",
            ":4:10: \"url\" should be an http or https address",
            ":5:12: \"token\" should be a map with file, env or credential; the secret itself does not belong into this file",
            ":7:18: \"env\": the environment variable \"NOT_THERE\" is not set",
            ":8:21: \"unknown-images\" should be one of refuse, use-default, found \"ignore\"",
            ":9:5: \"url\" is missing",
            ":9:19: \"file\": cannot read \"/nowhere/token\": there is no such file",
            "jobs of \"big\" may need 1 CPUs and 65536 MiB, and \"capacity\" is 8 CPUs and 12288 MiB",
        ];
        foreach (var line in expected) Assert.Contains(line, text);
        Assert.DoesNotContain("secretsecret", text);
    }

    [Fact]
    public void The_sample_is_right_and_says_what_the_defaults_are_for()
    {
        var token = Path.Join(_folder, "token");
        File.WriteAllText(token, "glrt-fromAFile0\n");
        var sample = File.ReadAllText(RepositoryFiles.PathOf("config", "agent.yml"));
        var key = Path.Join(_folder, "app.pem");
        File.WriteAllText(key, Pem.Value);
        var options = Load(sample.Replace("/etc/runnervm/gitlab-token", token, StringComparison.Ordinal).Replace("/etc/runnervm/github-app.pem", key, StringComparison.Ordinal));
        Assert.Equal("glrt-fromAFile0", Assert.Single(options.GitLab).Token);
        var source = Assert.Single(options.GitHub);
        Assert.Equal("Iv23li0000000000", Assert.IsType<GitHubCredential.App>(source.Credential).Issuer);
        Assert.Equal(["acme/runnervm-small", "acme/runnervm-large"], source.Runners.Select(static r => r.Name));
        Assert.Equal(("github-runner", 4, 8192), (source.Runners[1].Machine.Image, source.Runners[1].Machine.Request.Cpus, source.Runners[1].Machine.Request.MemoryMib));
    }

    [Fact]
    public void GitHub_takes_a_token_and_the_defaults()
    {
        var file = Path.Join(_folder, "token");
        File.WriteAllText(file, "github_pat_0123456789\n");
        var source = Assert.Single(Load($$"""
            github:
              - url: https://github.com/acme/app
                token: {file: {{file}}}
                mode: polling
                runners: [{labels: small, image: debian-12, limit: 2, idle-limit: 90s}]
            """).GitHub);
        Assert.Equal(("acme/app", GitHubMode.Polling), (source.Name, source.Mode));
        Assert.Equal(new("acme", "app"), Assert.Single(source.Repositories));
        var runner = Assert.Single(source.Runners);
        Assert.Equal(("acme/app/small", "debian-12", 2, TimeSpan.FromSeconds(90), TimeSpan.FromHours(6.5)), (runner.Name, runner.Machine.Image, runner.Limit, runner.IdleLimit, runner.Lifetime));
        Assert.StartsWith("small-", runner.ScaleSet, StringComparison.Ordinal);
    }

    [Fact]
    public void Everything_wrong_with_GitHub_is_told_at_once_with_its_place()
    {
        var text = Refused("""
            github:
              - url: https://github.com
                token: {env: NOT_THERE}
                runners: [{labels: a}]
              - url: https://github.com/acme
                mode: polling
                runners: [{labels: a, limits: b}, {image: x}]
              - url: https://github.com/acme
                app: {id: Iv1, key: {file: /nowhere/key.pem}}
                runners: []
              - url: https://github.com/acme
                name: other
                token: {credential: github}
                runners: [{labels: [a, a]}, {labels: a}]
            """);
        string[] expected =
        [
            ":2:10: \"url\": \"https://github.com\" names no repository, organization or enterprise",
            ":5:5: needs either \"app\"",
            ":6:5: \"mode: polling\" needs \"repositories\"",
            ":7:27: unknown key \"limits\" in an entry of \"runners\"; did you mean \"limit\"?",
            ":7:39: \"labels\" is missing",
            ":9:5: Cannot use \"/nowhere/key.pem\" as the GitHub App's private key",
            ":10:5: \"runners\" should be a list with at least one kind of runner",
            ":3:18: \"env\": the environment variable \"NOT_THERE\" is not set",
            ":13:25: \"credential\": CREDENTIALS_DIRECTORY is not set; systemd sets it for a unit with LoadCredential=github:PATH",
            ":14:34: two kinds of runner of \"other\" begin with the label \"a\"",
        ];
        foreach (var line in expected) Assert.True(text.Contains(line, StringComparison.Ordinal), $"{line}\n{text}");
    }

    [Fact]
    public void Schema_and_reader_know_the_same_words()
    {
        using var schema = JsonDocument.Parse(File.ReadAllText(RepositoryFiles.PathOf("config", "agent.schema.json")));
        var definitions = schema.RootElement.GetProperty("$defs");
        Assert.Equal(AgentVocabulary.Document, Keys(schema.RootElement));
        Assert.Equal(AgentVocabulary.Capacity, Keys(definitions.GetProperty("capacity")));
        Assert.Equal(AgentVocabulary.Runner, Keys(definitions.GetProperty("runner")));
        Assert.Equal(AgentVocabulary.Logs, Keys(definitions.GetProperty("logs")));
        Assert.Equal(AgentVocabulary.WarmImage, Keys(definitions.GetProperty("warmImage")));
        Assert.Equal(AgentVocabulary.GitLab, Keys(definitions.GetProperty("gitlab")));
        Assert.Equal(AgentVocabulary.GitHub, Keys(definitions.GetProperty("github")));
        Assert.Equal(AgentVocabulary.GitHubApp, Keys(definitions.GetProperty("githubApp")));
        Assert.Equal(AgentVocabulary.GitHubRunner, Keys(definitions.GetProperty("githubRunner")));
        Assert.Equal(AgentVocabulary.GitHubModes.Keys, Words(definitions, "github", "mode"));
        Assert.Equal(AgentVocabulary.Secret, Keys(definitions.GetProperty("secret")));
        Assert.Equal(AgentVocabulary.Image, Keys(definitions.GetProperty("image")));
        Assert.Equal(Vocabulary.Engines.Keys, Words(definitions, "runner", "executor"));
        Assert.Equal(AgentVocabulary.UnknownImages.Keys, Words(definitions, "gitlab", "unknown-images"));
    }

    private static IEnumerable<string> Keys(JsonElement map)
    {
        Assert.False(map.GetProperty("additionalProperties").GetBoolean());
        return map.GetProperty("properties").EnumerateObject().Select(static p => p.Name);
    }

    private static IEnumerable<string?> Words(JsonElement definitions, string map, string key) =>
        definitions.GetProperty(map).GetProperty("properties").GetProperty(key).GetProperty("enum").EnumerateArray().Select(static w => w.GetString());

    private AgentOptions Load(string yaml)
    {
        var path = Path.Join(_folder, "agent.yml");
        File.WriteAllText(path, yaml);
        return AgentFile.Load(path, new() { Host = new(8, 16384), EnvironmentVariable = _variables.GetValueOrDefault });
    }

    private string Refused(string yaml)
    {
        var refusal = Assert.Throws<UserException>(() => Load(yaml));
        Assert.Equal(ExitCodes.BadFile, refusal.ExitCode);
        return refusal.Message;
    }
}

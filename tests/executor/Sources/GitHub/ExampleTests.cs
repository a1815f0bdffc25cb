using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using RunnerVm.Agents;
using RunnerVm.Commands;
using RunnerVm.Tests.Executor.Sources;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitHub;

/// <summary>What examples/github tells a stranger is so.</summary>
public sealed partial class ExampleTests
{
    [Fact]
    public void The_configuration_is_right_and_has_the_workflows_labels()
    {
        var folder = Directory.CreateTempSubdirectory("rvexample").FullName;
        try
        {
            using var key = RSA.Create(2048);
            File.WriteAllText(Path.Join(folder, "github-app.pem"), key.ExportRSAPrivateKeyPem());
            var options = AgentFile.Load(RepositoryFiles.PathOf("examples", "github", "agent.yml"), new()
            {
                Host = new(8, 16384), EnvironmentVariable = name => name == "CREDENTIALS_DIRECTORY" ? folder : null,
            });
            var labels = Assert.Single(options.GitHub).Runners.SelectMany(static r => r.Labels).ToList();
            var wanted = RunsOn().Matches(Read("workflow.yml")).Select(static m => m.Groups[1].Value).ToList();
            Assert.NotEmpty(wanted);
            Assert.All(wanted, label => Assert.Contains(label, labels));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void The_manifest_asks_for_what_runners_need_and_no_more()
    {
        using var manifest = JsonDocument.Parse(Read("app-manifest.json"));
        var permissions = manifest.RootElement.GetProperty("default_permissions").EnumerateObject().ToDictionary(static p => p.Name, static p => p.Value.GetString());
        Assert.Equal(
            new Dictionary<string, string?> { ["metadata"] = "read", ["actions"] = "read", ["administration"] = "write", ["checks"] = "write", ["organization_self_hosted_runners"] = "write" }, permissions);
    }

    [Fact]
    public void Every_command_of_the_readme_is_one_of_ours_and_every_link_leads_somewhere()
    {
        var text = Read("README.md");
        var commands = Command().Matches(text).Select(static m => m.Groups[1].Value).ToList();
        Assert.InRange(commands.Count, 6, 20);
        foreach (var command in commands) Assert.True(CommandTree.Create().Parse(command).Errors.Count == 0, $"runnervm {command}: {string.Join(" ", CommandTree.Create().Parse(command).Errors)}");
        foreach (Match link in Link().Matches(text)) Assert.True(File.Exists(RepositoryFiles.PathOf("examples", "github", link.Groups[1].Value)), link.Value);
    }

    [Fact]
    public void The_unit_starts_the_agent_and_gives_it_time_to_drain()
    {
        var unit = File.ReadAllLines(RepositoryFiles.PathOf("config", "systemd", "runnervm-agent.service")).Where(static l => l.Contains('=') && l[0] != '#')
            .Select(static l => l.Split('=', 2)).GroupBy(static p => p[0]).ToDictionary(static g => g.Key, static g => g.Last()[1]);
        Assert.Equal(("notify", "mixed", "SIGTERM"), (unit["Type"], unit["KillMode"], unit["KillSignal"]));
        var start = unit["ExecStart"].Split(' ', 2);
        Assert.Empty(CommandTree.Create().Parse(start[1]).Errors);
        Assert.Contains("github-app.pem:", unit["LoadCredential"]);
        Assert.Contains("{credential: github-app.pem}", Read("agent.yml"));
    }

    private static string Read(string name) => File.ReadAllText(RepositoryFiles.PathOf("examples", "github", name));

    [GeneratedRegex(@"runs-on: (\S+)")]
    private static partial Regex RunsOn();

    [GeneratedRegex(@"^(?:CREDENTIALS_DIRECTORY=\S+ )?runnervm ([a-z][^\n#]*)$", RegexOptions.Multiline)]
    private static partial Regex Command();

    [GeneratedRegex(@"\]\(([^)#]+)\)")]
    private static partial Regex Link();
}

using System.Text.RegularExpressions;
using System.Xml.Linq;
using Xunit;

namespace RunnerVm.Tests.Architecture;

/// <summary>The rules of the house that a compiler does not know, read off the sources themselves.</summary>
public sealed partial class HouseRulesTests
{
    private static readonly string Root = FindRoot();

    /// <summary>Which project may refer to which. Nothing else, in either direction.</summary>
    private static readonly Dictionary<string, string[]> Arrows = new()
    {
        ["executor/executor.csproj"] = ["job-images/guest-protocol/guest-protocol.csproj"],
        ["job-images/guest-agent/guest-agent.csproj"] = ["job-images/guest-protocol/guest-protocol.csproj"],
        ["job-images/guest-protocol/guest-protocol.csproj"] = [],
        ["vmm/jailer/jailer.csproj"] = ["vmm/native/native.csproj"],
        ["vmm/monitor/monitor.csproj"] = ["vmm/native/native.csproj"],
        ["vmm/native/native.csproj"] = [],
    };

    /// <summary>Folders of the executor, and the namespaces each of them must never use: the walls that later issues build against.</summary>
    private static readonly Dictionary<string, string[]> Walls = new()
    {
        ["executor/Machines"] = ["RunnerVm.Guests", "RunnerVm.Sources", "RunnerVm.Egress", "RunnerVm.Logs", "RunnerVm.GuestProtocol", "RunnerVm.Snapshots"],
        ["executor/Snapshots"] = ["RunnerVm.Sources", "RunnerVm.Egress", "RunnerVm.Logs", "RunnerVm.Commands"],
        ["executor/Egress"] = ["RunnerVm.Machines", "RunnerVm.Images", "RunnerVm.Sources", "RunnerVm.Guests"],
        ["executor/Images"] = ["RunnerVm.Machines", "RunnerVm.Snapshots", "RunnerVm.Egress", "RunnerVm.Sources", "RunnerVm.Guests"],
        ["executor/Guests"] = ["RunnerVm.Machines", "RunnerVm.Images", "RunnerVm.Egress", "RunnerVm.Sources"],
        ["executor/Sources"] = ["RunnerVm.Machines", "RunnerVm.Images", "RunnerVm.Guests"],
        ["executor/Logs"] = ["RunnerVm.Machines", "RunnerVm.Images", "RunnerVm.Guests", "RunnerVm.Sources", "RunnerVm.Egress"],
        ["executor/Options"] = ["RunnerVm.Machines", "RunnerVm.Images", "RunnerVm.Guests", "RunnerVm.Sources", "RunnerVm.Egress", "RunnerVm.Logs"],
        ["job-images/guest-protocol"] = ["Tmds"],
    };

    [Fact]
    public void Projects_refer_to_each_other_only_along_the_drawn_arrows()
    {
        var found = ProjectFiles().Where(static p => !p.StartsWith("tests/", StringComparison.Ordinal)).ToDictionary(static p => p, References);
        Assert.Equal(Arrows.Keys.Order(), found.Keys.Order());
        foreach (var (project, references) in found) Assert.True(references.Order().SequenceEqual(Arrows[project].Order()), $"{project} refers to {string.Join(", ", references)}");
    }

    [Fact]
    public void No_project_stands_above_another()
    {
        var folders = ProjectFiles().Select(static p => Path.GetDirectoryName(p)! + "/").ToList();
        foreach (var folder in folders) Assert.DoesNotContain(folders, other => other != folder && other.StartsWith(folder, StringComparison.Ordinal));
    }

    [Fact]
    public void Every_project_is_in_the_solution()
    {
        var solution = File.ReadAllText(Path.Combine(Root, "RunnerVm.sln")).Replace('\\', '/');
        foreach (var project in ProjectFiles()) Assert.Contains($"\"{project}\"", solution);
    }

    [Fact]
    public void Folders_do_not_use_what_lies_behind_their_walls()
    {
        foreach (var (folder, forbidden) in Walls)
        foreach (var file in SourcesBelow(folder))
        foreach (Match line in UsingLine().Matches(File.ReadAllText(file)))
            Assert.True(!forbidden.Any(wall => line.Groups[1].Value == wall || line.Groups[1].Value.StartsWith(wall + ".", StringComparison.Ordinal)), $"{file} uses {line.Groups[1].Value}");
    }

    [Fact]
    public void A_namespace_is_its_folder()
    {
        foreach (var file in SourcesBelow("executor"))
        {
            var declared = NamespaceLine().Match(File.ReadAllText(file));
            if (!declared.Success) continue; // Program.cs
            var folder = Path.GetDirectoryName(Path.GetRelativePath(Path.Combine(Root, "executor"), file))!;
            var expected = folder.Length == 0 ? "RunnerVm" : "RunnerVm." + folder.Replace('/', '.');
            Assert.True(declared.Groups[1].Value == expected, $"{file} declares {declared.Groups[1].Value} instead of {expected}");
        }
    }

    [Fact]
    public void Unsafe_code_is_where_it_may_be_and_says_why_it_is_safe()
    {
        foreach (var file in SourcesBelow("."))
        {
            var lines = File.ReadAllLines(file);
            for (var i = 0; i < lines.Length; i++)
            {
                if (!UnsafeWord().IsMatch(lines[i])) continue;
                var relative = Path.GetRelativePath(Root, file);
                Assert.True(
                    relative.StartsWith("vmm/native/", StringComparison.Ordinal) || relative.StartsWith("job-images/guest-agent/", StringComparison.Ordinal),
                    $"{relative}:{i + 1} says unsafe; only vmm/native and job-images/guest-agent may");
            }
        }
    }

    [Theory]
    [InlineData("Helper")]
    [InlineData("Manager")]
    [InlineData("Utils")]
    [InlineData("Utilities")]
    [InlineData("Processor")]
    [InlineData("Common")]
    public void No_file_is_named_by_a_word_that_says_nothing(string word) =>
        Assert.DoesNotContain(SourcesBelow("."), file => Path.GetFileNameWithoutExtension(file).Contains(word, StringComparison.Ordinal));

    private static IEnumerable<string> ProjectFiles() => Directory.EnumerateFiles(Root, "*.csproj", SearchOption.AllDirectories)
        .Select(static p => Path.GetRelativePath(Root, p)).Where(static p => !p.StartsWith(".build", StringComparison.Ordinal));

    private static string[] References(string project)
    {
        var folder = Path.GetDirectoryName(Path.Combine(Root, project))!;
        return [.. XDocument.Load(Path.Combine(Root, project)).Descendants("ProjectReference")
            .Select(r => Path.GetRelativePath(Root, Path.GetFullPath(Path.Combine(folder, r.Attribute("Include")!.Value))))];
    }

    private static IEnumerable<string> SourcesBelow(string folder) => Directory.EnumerateFiles(Path.Combine(Root, folder), "*.cs", SearchOption.AllDirectories)
        .Where(static p => !p.Contains("/.build/", StringComparison.Ordinal) && (!p.Contains("/tests/", StringComparison.Ordinal)));

    private static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder!, "RunnerVm.sln"))) folder = Path.GetDirectoryName(folder);
        return folder!;
    }

    [GeneratedRegex(@"^using (?:static )?([A-Za-z.]+);", RegexOptions.Multiline)]
    private static partial Regex UsingLine();

    [GeneratedRegex(@"^namespace ([A-Za-z.]+);", RegexOptions.Multiline)]
    private static partial Regex NamespaceLine();

    [GeneratedRegex(@"^\s*(?:(?:public|internal|private|static|sealed|partial|readonly|ref|extern)\s+)*unsafe\s+\w|^\s*unsafe\s*$|\bunsafe\s*\{")]
    private static partial Regex UnsafeWord();
}

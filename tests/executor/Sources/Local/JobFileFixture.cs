using System.Text;
using RunnerVm.Jobs;
using RunnerVm.Sources.Local;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.Local;

/// <summary>A folder with a job file in it, and the world the file may look at.</summary>
public abstract class JobFileFixture : IDisposable
{
    protected string Folder { get; } = Directory.CreateTempSubdirectory("runnervm-jobfile-").FullName;

    protected Dictionary<string, string> Variables { get; } = [];

    protected string StandardInput { get; set; } = "";

    public void Dispose()
    {
        Directory.Delete(Folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    protected string WriteFile(string name, string content)
    {
        var path = Path.Combine(Folder, name);
        File.WriteAllText(path, content);
        return path;
    }

    private protected JobFileContext Context => new()
    {
        CurrentDirectory = Folder,
        EnvironmentVariable = Variables.GetValueOrDefault,
        OpenStandardInput = () => new MemoryStream(Encoding.UTF8.GetBytes(StandardInput)),
    };

    private protected Job Load(string yaml)
    {
        WriteFile("test.yml", yaml);
        return JobFile.Load("test.yml", Context);
    }

    /// <summary>Everything after the first line, one <c>line:column: message</c> each.</summary>
    protected IReadOnlyList<string> ProblemsOf(string yaml)
    {
        var refusal = Assert.Throws<UserException>(() => Load(yaml));
        Assert.Equal(ExitCodes.BadFile, refusal.ExitCode);
        var lines = refusal.Message.Split('\n');
        Assert.Equal(lines.Length == 2 ? "test.yml has a problem:" : $"test.yml has {lines.Length - 1} problems:", lines[0]);
        Assert.All(lines[1..], line => Assert.StartsWith("test.yml:", line));
        return [.. lines[1..].Select(line => line["test.yml:".Length..])];
    }

    protected void OneProblem(string yaml, string expected) => Assert.Contains(expected, Assert.Single(ProblemsOf(yaml)));
}

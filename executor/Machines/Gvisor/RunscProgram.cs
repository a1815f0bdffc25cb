using CliWrap;
using CliWrap.Buffered;

namespace RunnerVm.Machines.Gvisor;

/// <summary>The gVisor installed here: where it is, of which day, and what it says it can do.</summary>
internal sealed class RunscProgram(FactCache facts, string? searchPath = null)
{
    public const string Name = "runsc";
    public const string HowToInstall = "Install it: apt-get install runsc";
    private const string Fact = "runsc";

    /// <summary>Full path, or null where it is not installed.</summary>
    public string? Find() => ProgramSearch.Find(Name, searchPath);

    /// <summary>Asked once and remembered while the file is the same. A program that says nothing is taken for the plainest.</summary>
    public async Task<RunscRelease> ReleaseAsync(string path, CancellationToken cancellationToken)
    {
        var file = new FileInfo(path);
        var key = $"{path} | {file.LastWriteTimeUtc.Ticks} {file.Length}";
        if (facts.Recall(Fact, key) is { } known && RunscRelease.TryRead(known) is { } remembered) return remembered;
        try
        {
            var release = RunscRelease.Parse(await SayAsync(path, "--version", cancellationToken), await SayAsync(path, "flags", cancellationToken));
            facts.Remember(Fact, key, release.ToFact());
            return release;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return new("", "ptrace", NamesMedium: false);
        }
    }

    /// <summary>Its output and errors: which of the two help goes to is not ours to rely on.</summary>
    private static async Task<string> SayAsync(string path, string argument, CancellationToken cancellationToken)
    {
        var result = await Cli.Wrap(path).WithArguments(argument)
            .WithValidation(CommandResultValidation.None)
            .ExecuteBufferedAsync(cancellationToken);
        return result.StandardOutput + result.StandardError;
    }
}

using CliWrap;
using CliWrap.Buffered;

namespace RunnerVm.Machines.Firecracker;

/// <summary>A program that speaks Firecracker's API: ours, beside our other programs, or the user's firecracker in PATH.</summary>
/// <param name="EngineName">What people write for it.</param>
/// <param name="FileName">The program's.</param>
/// <param name="Folder">Where it lies; null: anywhere in PATH.</param>
/// <param name="HowToInstall">A sentence without its full stop.</param>
internal sealed record FirecrackerProgram(string EngineName, string FileName, string? Folder, string HowToInstall)
{
    public static FirecrackerProgram Ours(string programsFolder) =>
        new("vmm", RingZeroProbe.Program, programsFolder, "Build it: ./runnervm does");

    public static FirecrackerProgram Theirs { get; } = new(
        "firecracker", "firecracker", null, "Put a release from github.com/firecracker-microvm/firecracker/releases into PATH");

    /// <summary>Full path, or null where it is not.</summary>
    public string? Find() => ProgramSearch.Find(FileName, Folder);

    /// <summary>The first line of --version, asked once and remembered while the file is the same. Null when it does not say.</summary>
    public async Task<string?> VersionAsync(string path, FactCache facts, CancellationToken cancellationToken)
    {
        var file = new FileInfo(path);
        var (fact, key) = ($"{EngineName}-version", $"{path} | {file.LastWriteTimeUtc.Ticks} {file.Length}");
        if (facts.Recall(fact, key) is { } known) return known;
        try
        {
            var result = await Cli.Wrap(path).WithArguments("--version")
                .WithValidation(CommandResultValidation.None)
                .ExecuteBufferedAsync(cancellationToken);
            var version = result.StandardOutput.Split('\n')[0].Trim();
            if (result.ExitCode != 0 || version.Length is 0 or > 100) return null;
            facts.Remember(fact, key, version);
            return version;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}

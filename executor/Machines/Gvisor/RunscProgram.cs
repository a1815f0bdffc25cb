using System.Globalization;
using CliWrap;
using CliWrap.Buffered;

namespace RunnerVm.Machines.Gvisor;

/// <summary>The gVisor installed here: where it is and of which day.</summary>
internal sealed class RunscProgram(FactCache facts, string? searchPath = null)
{
    public const string Name = "runsc";
    public const string HowToInstall = "Install it: apt-get install runsc";

    /// <summary>Full path, or null where it is not installed.</summary>
    public string? Find() => ProgramSearch.Find(Name, searchPath);

    /// <summary>Asked once and remembered while the file is the same. A program that does not say counts as new.</summary>
    public async Task<RunscRelease> ReleaseAsync(string path, CancellationToken cancellationToken)
    {
        var file = new FileInfo(path);
        var key = $"{path} | {file.LastWriteTimeUtc.Ticks} {file.Length}";
        if (facts.Recall("runsc-version", key) is { } known) return new(known);
        try
        {
            var result = await Cli.Wrap(path).WithArguments("--version")
                .WithValidation(CommandResultValidation.None)
                .ExecuteBufferedAsync(cancellationToken);
            var release = RunscRelease.Parse(result.StandardOutput);
            facts.Remember("runsc-version", key, release.Name);
            return release;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return new("");
        }
    }
}

/// <summary>
/// What a gVisor of one day can do. It has no versions but days: Debian's are called 0.0~20221219.0, its makers' own
/// release-20240729.0.
/// </summary>
/// <param name="Name">Eight digits, or empty where it does not say.</param>
internal sealed record RunscRelease(string Name)
{
    /// <summary>Since then a folder for what a sandbox writes is named by dir=.</summary>
    private static readonly DateOnly NamedMedium = new(2023, 3, 1);

    /// <summary>Since then systrap, twice as fast as ptrace, is there and the default.</summary>
    private static readonly DateOnly Systrap = new(2023, 9, 1);

    /// <summary>Since then statx and fstatat take AT_NO_AUTOMOUNT, without which ls and stat of coreutils 9 fail.</summary>
    private static readonly DateOnly NoAutomount = new(2023, 9, 1);

    private DateOnly Day => DateOnly.TryParseExact(Name, "yyyyMMdd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day) ? day : DateOnly.MaxValue;

    public string Platform => Day >= Systrap ? "systrap" : "ptrace";

    public bool TakesNoAutomount => Day >= NoAutomount;

    public override string ToString() => Day == DateOnly.MaxValue ? "of unknown day" : $"of {Day:yyyy-MM-dd}";

    /// <summary>What a sandbox writes goes to a file without a name in this folder.</summary>
    public string Overlay(string folder) => Day >= NamedMedium ? $"root:dir={folder}" : $"root:{folder}";

    /// <summary>From "runsc version 0.0~20221219.0" or "runsc version release-20240729.0".</summary>
    public static RunscRelease Parse(string text)
    {
        var first = text.Split('\n')[0];
        for (var i = 0; i + 8 <= first.Length; i++)
        {
            var digits = first.AsSpan(i, 8);
            if (digits.StartsWith("20") && digits.IndexOfAnyExceptInRange('0', '9') < 0) return new(digits.ToString());
        }

        return new("");
    }
}

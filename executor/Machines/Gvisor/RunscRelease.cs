namespace RunnerVm.Machines.Gvisor;

/// <summary>
/// What one gVisor can do, by its own description of its flags rather than by its day, for it has no versions: Debian's
/// calls itself 0.0~20221219.0.
/// </summary>
/// <param name="Day">Eight digits, or empty where it does not say.</param>
/// <param name="Platform">How it gets hold of a program's system calls: systrap where it has that, else ptrace, where each call costs a stop.</param>
/// <param name="NamesMedium">Whether the folder for what a sandbox writes has to be named as dir=.</param>
internal sealed record RunscRelease(string Day, string Platform, bool NamesMedium)
{
    /// <summary>The last day of which it was seen that statx refuses AT_NO_AUTOMOUNT, without which ls and stat of coreutils 9 fail.</summary>
    private const string LastWithoutAutomount = "20221219";

    public bool RefusesNoAutomount => Day.Length > 0 && string.CompareOrdinal(Day, LastWithoutAutomount) <= 0;

    /// <summary>What a sandbox writes goes to a file without a name in this folder.</summary>
    public string Overlay(string folder) => NamesMedium ? $"root:dir={folder}" : $"root:{folder}";

    /// <param name="version">As --version answers: "runsc version 0.0~20221219.0".</param>
    /// <param name="flags">As the subcommand flags answers.</param>
    public static RunscRelease Parse(string version, string flags) => new(
        FindDay(version),
        Describes(flags, "-platform ", "systrap") ? "systrap" : "ptrace",
        Describes(flags, "-overlay2 ", "dir="));

    /// <summary>For people.</summary>
    public override string ToString() => Day.Length == 0 ? "of unknown day" : $"of {Day[..4]}-{Day[4..6]}-{Day[6..]}";

    /// <summary>One line to remember it by.</summary>
    public string ToFact() => $"{Platform} {(NamesMedium ? "dir" : "plain")} {Day}";

    public static RunscRelease? TryRead(string fact) =>
        fact.Split(' ') is [var platform, var medium, var day] ? new(day, platform, medium == "dir") : null;

    /// <summary>Whether the description of a flag, which is what stands between its line and the next flag's, has a word in it.</summary>
    private static bool Describes(string flags, string name, string word) => flags.Split('\n')
        .SkipWhile(line => !line.TrimStart().StartsWith(name, StringComparison.Ordinal)).Skip(1)
        .TakeWhile(static line => !line.StartsWith("  -", StringComparison.Ordinal))
        .Any(line => line.Contains(word, StringComparison.Ordinal));

    private static string FindDay(string text)
    {
        var first = text.Split('\n')[0];
        for (var i = 0; i + 8 <= first.Length; i++)
        {
            var digits = first.AsSpan(i, 8);
            if (digits.StartsWith("20") && digits.IndexOfAnyExceptInRange('0', '9') < 0) return digits.ToString();
        }

        return "";
    }
}

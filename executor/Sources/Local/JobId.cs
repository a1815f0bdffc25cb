using System.Text;

namespace RunnerVm.Sources.Local;

/// <summary>Makes the id of a local job: its name in plain letters and six random digits, for example <c>hello-7f3a9c</c>.</summary>
internal static class JobId
{
    /// <summary>Socket paths hold the id, and the system ends them at 107 bytes.</summary>
    private const int MaximumNameLength = 20;

    private const int RandomDigits = 6;

    public static string New(string name)
    {
        var plain = new StringBuilder();
        foreach (var c in name.ToLowerInvariant())
        {
            if (plain.Length == MaximumNameLength) break;
            if (char.IsAsciiLetterOrDigit(c)) plain.Append(c);
            else if (plain.Length > 0 && plain[^1] != '-') plain.Append('-');
        }

        var readable = plain.ToString().TrimEnd('-');
        return $"{(readable.Length > 0 ? readable : "job")}-{HostRandom.Hex(RandomDigits)}";
    }
}

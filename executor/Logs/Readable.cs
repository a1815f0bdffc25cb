using System.Text;

namespace RunnerVm.Logs;

/// <summary>Amounts and foreign text as people read them in a line of ours.</summary>
internal static class Readable
{
    private static readonly string[] SizeUnits = ["B", "kB", "MB", "GB", "TB"];

    /// <summary><c>0.01 s</c>, <c>12.3 s</c>, <c>2m 05s</c>, <c>1h 02m</c>.</summary>
    public static string Duration(TimeSpan time) => time.TotalSeconds switch
    {
        < 9.995 => $"{time.TotalSeconds:F2} s",
        < 59.95 => $"{time.TotalSeconds:F1} s",
        < 3599.5 => Parts(time, TimeSpan.FromMinutes(1), "m", TimeSpan.FromSeconds(1), "s"),
        _ => Parts(time, TimeSpan.FromHours(1), "h", TimeSpan.FromMinutes(1), "m"),
    };

    /// <summary>In powers of ten: <c>512 B</c>, <c>1.5 MB</c>, <c>640 MB</c>.</summary>
    public static string Size(double bytes)
    {
        int unit = 0;
        for (; bytes >= 999.5 && unit < SizeUnits.Length - 1; unit++)
            bytes /= 1000;
        return unit == 0 || bytes >= 9.95 ? $"{bytes:F0} {SizeUnits[unit]}" : $"{bytes:F1} {SizeUnits[unit]}";
    }

    /// <summary>The mean rate, or nothing where the time is too short to mean one.</summary>
    public static string? Rate(long bytes, TimeSpan time) =>
        time < TimeSpan.FromMilliseconds(1) || bytes == 0 ? null : $"{Size(bytes / time.TotalSeconds)}/s";

    /// <summary>Text that may have come from a guest, on one line: control characters and line ends become spaces.</summary>
    public static string OneLine(string text)
    {
        if (!text.EnumerateRunes().Any(IsLineBreaking))
            return text;
        var line = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
            line.Append(IsLineBreaking(rune) ? " " : rune.ToString());
        return line.ToString().Trim();
    }

    private static bool IsLineBreaking(Rune rune) => Rune.IsControl(rune) || rune.Value is 0x2028 or 0x2029;

    // Rounded to the smaller unit first, so that 59.7 s past a minute is not 60 s.
    private static string Parts(TimeSpan time, TimeSpan large, string largeName, TimeSpan small, string smallName)
    {
        long smalls = (long)Math.Round(time / small);
        long perLarge = (long)(large / small);
        return $"{smalls / perLarge}{largeName} {smalls % perLarge:D2}{smallName}";
    }
}

using System.Text;

namespace RunnerVm.Options.Yaml;

/// <summary>Puts what somebody wrote into a message: quoted, on one line, no longer than is useful.</summary>
internal static class Quoted
{
    private const int MaximumLength = 60;

    public static string Text(string text) => '"' + Line(text, MaximumLength) + '"';

    /// <summary>A path is of use only whole.</summary>
    public static string Path(string path) => '"' + Line(path, 4096) + '"';

    public static string Names(IEnumerable<string> names) => string.Join(", ", names);

    /// <summary><paramref name="text"/> without control characters, cut with an ellipsis after <paramref name="length"/> characters.</summary>
    public static string Line(string text, int length)
    {
        var line = new StringBuilder(Math.Min(text.Length, length) + 1);
        foreach (var rune in text.EnumerateRunes())
        {
            if (line.Length >= length) return line.Append('…').ToString();
            if (Rune.IsControl(rune)) line.Append(' ');
            else line.Append(rune.ToString());
        }

        return line.ToString();
    }
}

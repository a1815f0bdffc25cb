using System.Text;

namespace RunnerVm.Sources.GitLab.Scripts;

/// <summary>Writes a script that bash and every POSIX shell understand. Words are quoted, lines are not.</summary>
internal sealed class ShellScript
{
    private readonly StringBuilder _text = new();

    /// <summary>One word, whatever is in it. A shell has no way to hold a zero byte.</summary>
    public static string Quote(string word) => $"'{word.Replace("\0", "", StringComparison.Ordinal).Replace("'", "'\\''", StringComparison.Ordinal)}'";

    /// <summary>A line of shell as it stands.</summary>
    public ShellScript Line(string line)
    {
        _text.Append(line).Append('\n');
        return this;
    }

    /// <summary>A command of plain words.</summary>
    public ShellScript Run(params IEnumerable<string> words) => Line(Words(words));

    /// <summary>A command whose failure is of no interest.</summary>
    public ShellScript Try(params IEnumerable<string> words) => Line($"{Words(words)} >/dev/null 2>&1 || true");

    /// <summary>A line for the log.</summary>
    public ShellScript Say(string text) => Line($"printf '%s\\n' {Quote(text)}");

    /// <summary>A line for the log in bold green, as GitLab shows what the runner does.</summary>
    public ShellScript Announce(string text) => Say($"\e[32;1m{text}\e[0;m");

    public ShellScript Warn(string text) => Say($"\e[0;33m{text}\e[0;m");

    /// <summary>A command of the job's, shown before it runs; of several lines only the first.</summary>
    public ShellScript Command(string command)
    {
        var line = command.Trim('\n', '\r');
        var end = line.IndexOf('\n');
        return Announce(end < 0 ? $"$ {line}" : $"$ {line[..end].TrimEnd('\r')} # collapsed multi-line command").Line(command);
    }

    public override string ToString() => _text.ToString();

    internal static string Words(IEnumerable<string> words) =>
        string.Join(' ', words.Select(static w => IsPlain(w) ? w : Quote(w)));

    private static bool IsPlain(string word) =>
        word.Length > 0 && word.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '/' or '=' or ':' or ',' or '+' or '@');
}

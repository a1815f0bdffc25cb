using System.Text;
using RunnerVm.Options.Yaml;

namespace RunnerVm.Sources.Local;

/// <summary>
/// Makes one shell script of a <c>script:</c> list. Each entry is shown as <c>$ command</c> before it runs, and under
/// the shell's <c>-e</c> the first that fails ends the script with its status, as in GitLab. Works in bash and POSIX sh.
/// </summary>
internal static class ScriptText
{
    /// <summary>The shown part of an entry; a long line is the terminal's nuisance, not information.</summary>
    private const int MaximumShown = 500;

    public static string From(IReadOnlyList<string> entries)
    {
        var script = new StringBuilder();
        for (var i = 0; i < entries.Count; i++)
        {
            var entry = entries[i].Replace("\r\n", "\n", StringComparison.Ordinal).TrimEnd('\n');
            script.Append("printf '%s\\n' ").Append(Literal("$ " + Shown(entry))).Append('\n');

            // An eval a piece keeps pieces apart: an open quote or here-document ends with its entry and never takes the
            // next echo for its own. The empty line ends a final backslash. Without the colon, eval would turn an entry
            // like "[ -f x ] && y" into a failure, which -e overlooks when it stands by itself; after the last entry
            // there must be none, for its status is the script's.
            var end = i < entries.Count - 1 ? "\n\n:" : "\n\n";
            script.Append("eval ").Append(Literal(entry + end)).Append('\n');
        }

        return script.ToString();
    }

    private static string Shown(string entry)
    {
        var text = entry.Trim();
        var end = text.IndexOf('\n');
        return end < 0 ? Quoted.Line(text, MaximumShown) : Quoted.Line(text[..end].TrimEnd(), MaximumShown) + " …";
    }

    /// <summary>Inside single quotes a shell interprets nothing; a single quote itself leaves them for a moment.</summary>
    private static string Literal(string text) => "'" + text.Replace("'", "'\\''", StringComparison.Ordinal) + "'";
}

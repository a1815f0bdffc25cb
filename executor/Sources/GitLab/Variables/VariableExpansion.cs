using System.Text;

namespace RunnerVm.Sources.GitLab.Variables;

/// <summary>
/// GitLab's expansion of <c>$NAME</c> and <c>${NAME}</c>: one pass, so that what a value brings in is text and no
/// reference again. An unknown name is empty; <c>$$</c> is a dollar; the shell's own (<c>$1</c>, <c>$@</c>, <c>$?</c>, …) are empty,
/// and a dollar before anything else stays.
/// </summary>
internal static class VariableExpansion
{
    /// <summary>What one text may become; a few lines of references to references could ask for gigabytes.</summary>
    public const int LongestText = 16 << 20;

    private const string ShellOwn = "*#@!?";

    /// <param name="lookup">The value of a name, or null when there is none.</param>
    /// <exception cref="JobRefusedException">The result is longer than <see cref="LongestText"/>.</exception>
    public static string Expand(string text, Func<string, string?> lookup)
    {
        var next = text.IndexOf('$');
        if (next < 0) return text;
        var expanded = new StringBuilder(text.Length);
        var at = 0;
        while (next >= 0)
        {
            expanded.Append(text, at, next - at);
            at = next + 1 + TakeReference(text.AsSpan(next + 1), expanded, lookup);
            if (expanded.Length > LongestText)
                throw new JobRefusedException($"A value with variables in it becomes longer than {LongestText >> 20} MiB. Refer to fewer large variables in it.");
            next = text.IndexOf('$', at);
        }

        return expanded.Append(text, at, text.Length - at).ToString();
    }

    /// <returns>How many characters behind the dollar belong to it.</returns>
    private static int TakeReference(ReadOnlySpan<char> rest, StringBuilder expanded, Func<string, string?> lookup)
    {
        if (rest.IsEmpty)
        {
            expanded.Append('$');
            return 0;
        }

        if (rest[0] == '$')
        {
            expanded.Append('$');
            return 1;
        }

        if (char.IsAsciiDigit(rest[0]) || ShellOwn.Contains(rest[0])) return 1;
        if (rest[0] == '{' && rest.IndexOf('}') is var close and > 0)
        {
            expanded.Append(lookup(rest[1..close].ToString()));
            return close + 1;
        }

        var length = VariableName.LengthAt(rest);
        if (length == 0) expanded.Append('$');
        else expanded.Append(lookup(rest[..length].ToString()));
        return length;
    }
}

/// <summary>What a shell takes as the name of a variable.</summary>
internal static class VariableName
{
    public static bool IsValid(string name) => name.Length > 0 && LengthAt(name) == name.Length;

    /// <summary>How many characters at the beginning of a text are a name.</summary>
    public static int LengthAt(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || char.IsAsciiDigit(text[0])) return 0;
        var length = 0;
        while (length < text.Length && (char.IsAsciiLetterOrDigit(text[length]) || text[length] == '_')) length++;
        return length;
    }
}

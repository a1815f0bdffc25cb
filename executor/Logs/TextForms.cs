using System.Text;

namespace RunnerVm.Logs;

/// <summary>What a secret looks like in JSON, in a shell command, in YAML, SQL, XML and HTML.</summary>
internal static class TextForms
{
    private const string LowerHex = "0123456789abcdef";
    private const string UpperHex = "0123456789ABCDEF";

    // What bash's printf %q puts a backslash before; a first # or ~ as well.
    private const string SpecialInShell = " \t'\"\\|&;()<>!{}*[]?^$`,";

    /// <summary>All escaped forms; many are the same text for a plain value.</summary>
    public static IEnumerable<string> Of(string text) => [.. Json(text), .. Shell(text), .. Markup(text)];

    private static IEnumerable<string> Json(string text)
    {
        string plain = Json(text, "", ascii: false, LowerHex);
        return
        [
            plain, // JSON.stringify
            Json(plain, "", ascii: false, LowerHex), // JSON in JSON
            plain.Replace("/", "\\/", StringComparison.Ordinal),
            Json(text, "", ascii: true, LowerHex), // Python
            Json(text, "", ascii: true, LowerHex).Replace("/", "\\/", StringComparison.Ordinal), // PHP
            Json(text, "", ascii: true, UpperHex),
            Json(text, "<>&", ascii: false, LowerHex), // Go
            Json(text, "\"<>&'+`", ascii: true, UpperHex), // System.Text.Json
            Json(text, "<>&'", ascii: true, LowerHex),
        ];
    }

    private static string Json(string text, string alsoAsCodes, bool ascii, string digits)
    {
        var escaped = new StringBuilder(text.Length + 16);
        foreach (char c in text)
        {
            int shortForm = "\"\\\n\r\t\b\f".IndexOf(c, StringComparison.Ordinal);
            if (alsoAsCodes.Contains(c) || (ascii && c >= 0x7F) || (c < ' ' && shortForm < 0))
                escaped.Append("\\u").Append(digits[c >> 12]).Append(digits[(c >> 8) & 15]).Append(digits[(c >> 4) & 15]).Append(digits[c & 15]);
            else if (shortForm >= 0)
                escaped.Append('\\').Append("\"\\nrtbf"[shortForm]);
            else
                escaped.Append(c);
        }

        return escaped.ToString();
    }

    private static IEnumerable<string> Shell(string text) =>
    [
        text.Replace("'", "'\\''", StringComparison.Ordinal),
        text.Replace("'", "'\"'\"'", StringComparison.Ordinal),
        text.Replace("'", "''", StringComparison.Ordinal), // YAML, SQL
        Escaped(text, c => "\\\"$`".Contains(c)),
        Escaped(text, c => "\\\"$`!".Contains(c)),
        (text[0] is '#' or '~' ? "\\" : "") + Escaped(text, c => SpecialInShell.Contains(c)),
        Escaped(text, c => c is '\\' or '\'').Replace("\n", "\\n", StringComparison.Ordinal)
            .Replace("\r", "\\r", StringComparison.Ordinal).Replace("\t", "\\t", StringComparison.Ordinal), // $'...'
    ];

    private static string Escaped(string text, Func<char, bool> needsBackslash)
    {
        var escaped = new StringBuilder(text.Length + 16);
        foreach (char c in text)
        {
            if (needsBackslash(c))
                escaped.Append('\\');
            escaped.Append(c);
        }

        return escaped.ToString();
    }

    private static IEnumerable<string> Markup(string text)
    {
        string basic = text.Replace("&", "&amp;", StringComparison.Ordinal)
            .Replace("<", "&lt;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal);
        foreach (string quote in (string[])["\"", "&quot;", "&#34;", "&#x22;"])
        {
            foreach (string apostrophe in (string[])["'", "&apos;", "&#39;", "&#039;", "&#x27;"])
                yield return basic.Replace("\"", quote, StringComparison.Ordinal).Replace("'", apostrophe, StringComparison.Ordinal);
        }
    }
}

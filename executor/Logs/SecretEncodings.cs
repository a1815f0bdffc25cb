using System.Text;

namespace RunnerVm.Logs;

/// <summary>
/// The forms in which a secret turns up in a log: as it is, with other line ends, line by line, and after the
/// encodings that tools put on values before they print them.
/// </summary>
/// <remarks>
/// What is not covered, because no list can be: a value that was compressed, encrypted, reversed, cut in pieces or
/// encoded twice in unlike ways, or that has colours between its letters. Inside a longer base64 text the characters that a secret shares with its neighbours
/// stay: up to four bits of its first and of its last byte.
/// </remarks>
internal static class SecretEncodings
{
    /// <summary>All forms of a value as UTF-8, four bytes or longer, without doubles.</summary>
    public static IReadOnlyCollection<byte[]> Of(string value)
    {
        var forms = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (string whole in Wholes(value))
        {
            AddText(forms, whole);
            byte[] bytes = Encoding.UTF8.GetBytes(whole);
            byte[] line = [.. bytes, (byte)'\n'];
            AddAll(forms, ByteForms.Hex(bytes));
            AddAll(forms, ByteForms.Base64(bytes));
            AddAll(forms, ByteForms.Base64(line));
        }

        foreach (string line in Lines(value))
            AddText(forms, line);
        return forms.Values;
    }

    /// <summary>Characters as a person counts them, near enough: code points.</summary>
    public static int CountCharacters(ReadOnlySpan<char> text)
    {
        int count = 0;
        foreach (Rune _ in text.EnumerateRunes())
            count++;
        return count;
    }

    // The value, without white space around it (a file's last newline), and with either kind of line end: a
    // pseudo-terminal makes \r\n out of \n.
    private static IEnumerable<string> Wholes(string value)
    {
        string unix = value.Replace("\r\n", "\n", StringComparison.Ordinal);
        string[] wholes = [value, unix, unix.Replace("\n", "\r\n", StringComparison.Ordinal)];
        return wholes.SelectMany(whole => new[] { whole, whole.Trim(), whole.TrimEnd('\r', '\n') })
            .Where(whole => whole.Length > 0).Distinct();
    }

    private static IEnumerable<string> Lines(string value)
    {
        string[] lines = value.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries);
        if (lines.Length < 2)
            return [];
        return lines.Where(line => !SecretMasker.IsTooShort(line)).SelectMany(line => new[] { line, line.Trim() }).Distinct();
    }

    private static void AddText(Dictionary<string, byte[]> forms, string text)
    {
        Add(forms, text);
        foreach (string escaped in TextForms.Of(text))
            Add(forms, escaped);
        AddAll(forms, ByteForms.Percent(Encoding.UTF8.GetBytes(text)));
    }

    private static void AddAll(Dictionary<string, byte[]> forms, IEnumerable<string> texts)
    {
        foreach (string text in texts)
            Add(forms, text);
    }

    private static void Add(Dictionary<string, byte[]> forms, string text)
    {
        if (forms.ContainsKey(text))
            return;
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        if (bytes.Length >= SecretPatterns.Window)
            forms.Add(text, bytes);
    }
}

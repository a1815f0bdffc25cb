using System.Text;

namespace RunnerVm.Logs;

/// <summary>Encodings of a secret's bytes: hexadecimal, base64, percent.</summary>
internal static class ByteForms
{
    // Line lengths of base64(1) and MIME, of PEM and openssl, and of xxd -p.
    private static readonly int[] Base64Columns = [76, 64];
    private const int HexColumns = 60;

    // What each flavour leaves as it is, letters and digits aside, and whether a space becomes a plus sign.
    private static readonly (string Kept, bool Plus)[] PercentFlavours =
    [
        ("-._~", false), // RFC 3986
        ("-_.!~*'()", false), // encodeURIComponent
        ("-_.!~*'();/?:@&=+$,#", false), // encodeURI
        ("-._~/", false), // a path: Python's quote, curl
        ("-._~!$()*,:;=@", false), // .NET's UrlEncoder
        ("*-._", true), // WHATWG form data, Java
        ("-._~", true), // Python's quote_plus
        ("-._", true), // PHP's urlencode
        ("-_.!*()", true), // .NET's WebUtility
    ];

    /// <summary>Lower and upper case, in one piece and in xxd's lines.</summary>
    public static IEnumerable<string> Hex(byte[] bytes)
    {
        string lower = Convert.ToHexStringLower(bytes);
        string upper = Convert.ToHexString(bytes);
        return [lower, upper, .. Wrapped(lower, HexColumns), .. Wrapped(upper, HexColumns)];
    }

    /// <summary>
    /// Both alphabets, padded or not, and at each of the three places a secret can have in the groups of a longer text:
    /// there only the characters that depend on nothing but the secret.
    /// </summary>
    public static IEnumerable<string> Base64(byte[] bytes)
    {
        var forms = new List<string>();
        for (int offset = 0; offset < 3; offset++)
        {
            string text = Convert.ToBase64String([.. new byte[offset], .. bytes]);
            int from = ((offset * 8) + 5) / 6;
            int pureTo = (offset + bytes.Length) * 8 / 6;
            forms.AddRange([text[from..], text[from..].TrimEnd('='), text[from..pureTo]]);
        }

        foreach (int columns in Base64Columns)
            forms.AddRange(Wrapped(Convert.ToBase64String(bytes), columns));
        return forms.Concat(forms.Select(form => form.Replace('+', '-').Replace('/', '_')).ToArray());
    }

    public static IEnumerable<string> Percent(byte[] bytes)
    {
        foreach ((string kept, bool plus) in PercentFlavours)
        {
            yield return Percent(bytes, kept, plus, "0123456789ABCDEF");
            yield return Percent(bytes, kept, plus, "0123456789abcdef");
        }
    }

    private static string Percent(byte[] bytes, string kept, bool plus, string digits)
    {
        var text = new StringBuilder(bytes.Length * 3);
        foreach (byte value in bytes)
        {
            if (char.IsAsciiLetterOrDigit((char)value) || (value < 0x80 && kept.Contains((char)value)))
                text.Append((char)value);
            else if (plus && value == ' ')
                text.Append('+');
            else
                text.Append('%').Append(digits[value >> 4]).Append(digits[value & 15]);
        }

        return text.ToString();
    }

    // The whole over several lines, and each full line on its own: a log may put something before each.
    private static IEnumerable<string> Wrapped(string text, int columns)
    {
        if (text.Length <= columns)
            return [];
        string[] lines = [.. text.Chunk(columns).Select(line => new string(line))];
        return [string.Join('\n', lines), string.Join("\r\n", lines), .. lines.Where(line => line.Length == columns)];
    }
}

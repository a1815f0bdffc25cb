using System.Globalization;
using System.Text;

namespace RunnerVm.Guests;

/// <summary>Text that came out of a guest, before it goes into a message of ours.</summary>
internal static class UntrustedText
{
    private const int MaxLength = 400;

    /// <summary>One line of at most 400 characters without control characters; empty for null, which JSON from a guest may hold anywhere.</summary>
    public static string Line(string? text)
    {
        if (text is null) return "";
        var safe = new StringBuilder(Math.Min(text.Length, MaxLength));
        foreach (var c in text)
        {
            if (safe.Length == MaxLength) return safe.Append('…').ToString();
            safe.Append(IsPlain(c) ? c : ' ');
        }

        return safe.ToString().Trim();
    }

    /// <summary>No control character, half of a pair, direction mark, or line end of any kind.</summary>
    private static bool IsPlain(char c) => char.GetUnicodeCategory(c) is not (
        UnicodeCategory.Control or UnicodeCategory.Surrogate or UnicodeCategory.Format
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
}

using System.Text;

namespace RunnerVm.Logs;

/// <summary>What our own lines look like, with and without colour, in Unicode and in ASCII.</summary>
internal sealed class ConsoleStyle(bool color, bool unicode)
{
    private const int BarColumns = 24;

    public string Starting(string text) => $"{Paint("36", unicode ? "▸" : ">")} {Paint("1", text)}";

    public string Succeeded(string text, params string?[] details) => $"{Paint("32", unicode ? "✓" : "+")} {text}{Details(details)}";

    public string Failed(string text, params string?[] details) =>
        $"{Paint("31", unicode ? "✗" : "x")} {Paint("31", text)}{Details(details)}";

    public string Skipped(string text) => Paint("2", $"{(unicode ? "○" : "-")} {text}  skipped");

    public string Note(string text) => $"{Paint("2", unicode ? "·" : "*")} {text}";

    /// <summary>More about the line before.</summary>
    public static string Detail(string text) => $"  {text}";

    /// <summary>A line that is drawn over; at most <paramref name="columns"/> - 1 wide, so that it never wraps.</summary>
    public string Status(string text, int columns) => Paint("2", Cut($"{(unicode ? "·" : "*")} {text}{(unicode ? "…" : "...")}", columns - 1));

    /// <summary>A bar where the total is known, else only amounts.</summary>
    public string Progress(string what, long bytes, long? total, string? rate, int columns)
    {
        string amounts = total is > 0 ? $"{Readable.Size(bytes)} of {Readable.Size(total.Value)}" : Readable.Size(bytes);
        return Bar(what, total is > 0 ? (double)bytes / total.Value : null, rate is null ? amounts : $"{amounts}  {rate}", columns);
    }

    /// <summary>A bar where the share is known, between what it is about and what there is to say.</summary>
    public string Bar(string what, double? known, string tail, int columns)
    {
        if (known is not { } fraction)
            return Cut($"{(unicode ? "·" : "*")} {what}  {tail}", columns - 1);
        double share = Math.Clamp(fraction, 0, 1);
        int full = (int)(share * BarColumns);
        string percent = $"{(int)(share * 100),3} %";
        int room = columns - 1 - (2 + 2 + BarColumns + 2 + percent.Length + 2 + tail.Length);
        if (room < 4)
            return Cut($"{what} {percent}", columns - 1);
        string bar = Paint("36", new string(unicode ? '━' : '#', full)) + Paint("2", new string(unicode ? '─' : '.', BarColumns - full));
        return $"{(unicode ? "·" : "*")} {Cut(what, room)}  {bar}  {percent}  {tail}";
    }

    private static string Cut(string text, int columns) => text.Length <= columns ? text : text[..Math.Max(columns, 0)];

    private string Details(string?[] details)
    {
        var text = new StringBuilder();
        foreach (string? detail in details)
        {
            if (!string.IsNullOrEmpty(detail))
                text.Append("  ").Append(Paint("2", detail));
        }

        return text.ToString();
    }

    private string Paint(string code, string text) => color && text.Length > 0 ? $"\e[{code}m{text}\e[0m" : text;
}

using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace RunnerVm.Options;

/// <summary>
/// Spans of time as people write them: <c>30m</c>, <c>1h30m</c>, <c>90s</c>, <c>2 hours 30 minutes</c>, <c>1.5h</c>.
/// The larger unit comes first and each unit comes once. A number without a unit is refused: it may mean seconds or minutes.
/// </summary>
internal static class Duration
{
    private const int MaximumLength = 80;

    private static readonly (string[] Names, long Milliseconds)[] Units =
    [
        (["d", "day", "days"], 86_400_000),
        (["h", "hr", "hrs", "hour", "hours"], 3_600_000),
        (["m", "min", "mins", "minute", "minutes"], 60_000),
        (["s", "sec", "secs", "second", "seconds"], 1_000),
        (["ms", "millisecond", "milliseconds"], 1),
    ];

    private static readonly decimal MaximumMilliseconds = decimal.Floor((decimal)TimeSpan.MaxValue.Ticks / TimeSpan.TicksPerMillisecond);

    /// <summary>The span <paramref name="text"/> stands for, more than zero, in whole milliseconds.</summary>
    /// <exception cref="FormatException">It is no duration; the message says how to write one.</exception>
    public static TimeSpan Parse(string? text) =>
        TryParse(text, out var duration, out var problem) ? duration : throw new FormatException(problem);

    /// <summary>As <see cref="Parse"/>; <paramref name="problem"/> is a sentence without the place it was found at.</summary>
    public static bool TryParse(string? text, out TimeSpan duration, [NotNullWhen(false)] out string? problem)
    {
        duration = TimeSpan.Zero;
        var written = (text ?? "").Trim();
        problem = ProblemOfWhole(written);
        if (problem is not null) return false;

        decimal milliseconds = 0;
        var lastUnit = -1;
        for (var at = 0; at < written.Length;)
        {
            if (!TryReadPart(written, ref at, out var number, out var unit, out problem)) return false;
            if (unit <= lastUnit) return Fail($"\"{written}\" should name each unit once, the larger first, as in 1h30m", out problem);
            if (number > MaximumMilliseconds / Units[unit].Milliseconds) return Fail($"\"{written}\" is too long", out problem);
            milliseconds += number * Units[unit].Milliseconds;
            lastUnit = unit;
        }

        milliseconds = decimal.Floor(milliseconds);
        if (milliseconds > MaximumMilliseconds) return Fail($"\"{written}\" is too long", out problem);
        if (milliseconds == 0) return Fail($"\"{written}\" is no time at all; a duration is more than zero", out problem);
        duration = new TimeSpan((long)milliseconds * TimeSpan.TicksPerMillisecond);
        return true;
    }

    /// <summary>The shortest form, for example <c>1h30m</c>; <see cref="Parse"/> reads it back. What is below a millisecond is cut.</summary>
    public static string Format(TimeSpan duration)
    {
        var rest = duration.Ticks / TimeSpan.TicksPerMillisecond;
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rest, nameof(duration));
        var text = new StringBuilder();
        foreach (var (names, unit) in Units)
        {
            if (rest >= unit) text.Append(CultureInfo.InvariantCulture, $"{rest / unit}{names[0]}");
            rest %= unit;
        }

        return text.ToString();
    }

    private static string? ProblemOfWhole(string written)
    {
        if (written.Length is 0 or > MaximumLength) return "expected a duration such as 30m or 1h30m";
        if (written[0] == '-') return $"\"{written}\" is negative; a duration is more than zero";
        return written.All(c => char.IsAsciiDigit(c) || c == '.')
            ? $"\"{written}\" has no unit; write \"{written}s\" for seconds or \"{written}m\" for minutes"
            : null;
    }

    private static bool TryReadPart(
        string text, ref int at, out decimal number, out int unit, [NotNullWhen(false)] out string? problem)
    {
        unit = -1;
        var digits = TakeWhile(text, ref at, c => char.IsAsciiDigit(c) || c == '.');
        TakeWhile(text, ref at, char.IsWhiteSpace);
        var name = TakeWhile(text, ref at, char.IsAsciiLetter);
        TakeWhile(text, ref at, char.IsWhiteSpace);
        var isNumber = decimal.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out number);
        if (!isNumber || (name.Length == 0 && at < text.Length))
        {
            var reason = digits.Length > 20 ? "is too long" : "is no duration; write one such as 30m or 1h30m";
            return Fail($"\"{text}\" {reason}", out problem);
        }

        if (name.Length == 0) return Fail($"\"{text}\" has a number without a unit; write d, h, m, s or ms after each", out problem);
        unit = Array.FindIndex(Units, u => u.Names.Contains(name, StringComparer.OrdinalIgnoreCase));
        problem = unit >= 0 ? null : $"\"{name}\" is no unit of time; use d, h, m, s or ms";
        return unit >= 0;
    }

    private static string TakeWhile(string text, ref int at, Func<char, bool> belongs)
    {
        var start = at;
        while (at < text.Length && belongs(text[at])) at++;
        return text[start..at];
    }

    private static bool Fail(string reason, out string problem)
    {
        problem = reason;
        return false;
    }
}

using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace RunnerVm.Options;

/// <summary>
/// Sizes as people write them: <c>2048MB</c>, <c>2GiB</c>, <c>512M</c>, <c>1.5g</c>, <c>100 bytes</c>. For memory and
/// disks K, KB and KiB all mean 1024, as in docker and GitLab. A number without a unit is refused: some tools take it
/// for bytes, some for megabytes.
/// </summary>
internal static class ByteSize
{
    private const int MaximumLength = 40;

    private static readonly (string[] Names, long Bytes)[] Units =
    [
        (["TiB", "TB", "T"], 1L << 40),
        (["GiB", "GB", "G"], 1L << 30),
        (["MiB", "MB", "M"], 1L << 20),
        (["KiB", "KB", "K"], 1L << 10),
        (["B", "bytes", "byte"], 1),
    ];

    /// <summary>Bytes of <paramref name="text"/>, more than zero.</summary>
    /// <exception cref="FormatException">It is no size; the message says how to write one.</exception>
    public static long Parse(string? text) =>
        TryParse(text, out var bytes, out var problem) ? bytes : throw new FormatException(problem);

    /// <summary>As <see cref="Parse"/>; <paramref name="problem"/> is a sentence without the place it was found at.</summary>
    public static bool TryParse(string? text, out long bytes, [NotNullWhen(false)] out string? problem)
    {
        bytes = 0;
        var written = (text ?? "").Trim();
        if (written.Length is 0 or > MaximumLength) return Fail("expected a size such as 2GB", out problem);
        if (written[0] == '-') return Fail($"\"{written}\" is negative; a size is more than zero", out problem);

        var unitAt = 0;
        while (unitAt < written.Length && (char.IsAsciiDigit(written[unitAt]) || written[unitAt] == '.')) unitAt++;
        var unitText = written[unitAt..].TrimStart();
        if (!decimal.TryParse(written[..unitAt], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
        {
            var reason = unitAt > 20 ? "is too large" : "is no size; write one such as 2GB or 512MB";
            return Fail($"\"{written}\" {reason}", out problem);
        }

        if (unitText.Length == 0)
        {
            return Fail($"\"{written}\" has no unit; write \"{written}MB\" for megabytes or \"{written}GB\" for gigabytes", out problem);
        }

        var unit = Units.FirstOrDefault(u => u.Names.Contains(unitText, StringComparer.OrdinalIgnoreCase)).Bytes;
        if (unit == 0) return Fail($"\"{unitText}\" is no unit of size; use KB, MB, GB or TB", out problem);
        if (number > long.MaxValue / (decimal)unit) return Fail($"\"{written}\" is too large", out problem);

        // Part of a byte is no space at all, so the fraction is cut, not rounded.
        bytes = (long)decimal.Floor(number * unit);
        problem = bytes > 0 ? null : $"\"{written}\" is nothing; a size is more than zero";
        return bytes > 0;
    }

    /// <summary>The shortest exact form, for example <c>1536MiB</c>; <see cref="Parse"/> reads it back.</summary>
    public static string Format(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        var (names, unit) = Units.First(u => bytes % u.Bytes == 0);
        return string.Create(CultureInfo.InvariantCulture, $"{bytes / unit}{names[0]}");
    }

    private static bool Fail(string reason, out string problem)
    {
        problem = reason;
        return false;
    }
}

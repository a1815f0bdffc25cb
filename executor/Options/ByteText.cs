using System.Globalization;

namespace RunnerVm.Options;

/// <summary>Sizes for people: three digits and a unit of 1000, as disks are sold.</summary>
internal static class ByteText
{
    private static readonly string[] Units = ["B", "kB", "MB", "GB", "TB", "PB"];

    public static string Of(long bytes)
    {
        double value = bytes;
        var unit = 0;
        for (; value >= 1000 && unit < Units.Length - 1; unit++) value /= 1000;
        return string.Create(CultureInfo.InvariantCulture, $"{(unit == 0 || value >= 100 ? Math.Round(value) : Math.Round(value, 1))} {Units[unit]}");
    }
}

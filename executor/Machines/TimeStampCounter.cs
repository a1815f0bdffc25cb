using System.Globalization;

namespace RunnerVm.Machines;

/// <summary>Frequency of the host's time stamp counter, which a guest on the software CPU sees as its own.</summary>
internal static class TimeStampCounter
{
    private const long TypicalKhz = 2_500_000;

    /// <summary>
    /// The probe's measurement where there is one. Else /proc/cpuinfo, which is right in virtual machines and at a
    /// fixed clock, and shows the momentary frequency of a scaling one: the guest's clock would then run at a wrong
    /// pace, which is why the measurement wins.
    /// </summary>
    public static long Khz(RingZeroResult probe) =>
        probe.TscKhz > 0 ? probe.TscKhz : FromCpuInfo(File.ReadLines("/proc/cpuinfo")) ?? TypicalKhz;

    /// <summary>The first "cpu MHz" of a /proc/cpuinfo, or null.</summary>
    public static long? FromCpuInfo(IEnumerable<string> lines) =>
        lines.Where(line => line.StartsWith("cpu MHz", StringComparison.Ordinal))
            .Select(line => line[(line.IndexOf(':') + 1)..])
            .Select(text => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var mhz) ? mhz : 0)
            .Select(mhz => mhz is > 100 and < 20_000 ? (long?)Math.Round(mhz * 1000) : null)
            .FirstOrDefault(khz => khz is not null);
}

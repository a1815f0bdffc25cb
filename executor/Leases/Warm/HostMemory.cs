using System.Globalization;

namespace RunnerVm.Leases.Warm;

/// <summary>What the host could give to new machines (proc_meminfo(5), MemAvailable).</summary>
internal static class HostMemory
{
    private const string Key = "MemAvailable:";

    public static long AvailableBytes() => File.ReadLines("/proc/meminfo").FirstOrDefault(static line => line.StartsWith(Key, StringComparison.Ordinal)) is { } line
        ? long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024
        : 0;
}

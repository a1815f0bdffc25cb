namespace RunnerVm.Machines;

/// <summary>What a guest on KVM sees of the host's processor, and so finds in every copy restored from a snapshot.</summary>
internal static class HostCpu
{
    /// <summary>The lines of /proc/cpuinfo that say which it is and what it can do.</summary>
    private static readonly string[] Telling = ["vendor_id", "cpu family", "model", "model name", "stepping", "microcode", "flags"];

    /// <summary>Equal for two boots of one host, different for two processors.</summary>
    public static IReadOnlyList<string> Describe() => Describe(File.ReadLines("/proc/cpuinfo"));

    /// <summary>From the lines of a /proc/cpuinfo: the first processor's.</summary>
    internal static IReadOnlyList<string> Describe(IEnumerable<string> lines) =>
    [
        .. lines.TakeWhile(static line => line.Length > 0)
            .Select(static line => line.Split(':', 2))
            .Where(static parts => parts.Length == 2 && Telling.Contains(parts[0].TrimEnd()))
            .Select(static parts => $"{parts[0].TrimEnd()} {parts[1].Trim()}"),
    ];
}

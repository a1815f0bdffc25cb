namespace RunnerVm.Vmm.Jailer.Cgroups;

/// <summary>Where a hierarchy of cgroups is mounted.</summary>
/// <param name="Version">1 or 2.</param>
/// <param name="Options">Of version 1: its controllers are among them.</param>
internal sealed record CgroupMount(string Path, int Version, IReadOnlyList<string> Options)
{
    public bool Has(string controller) => Options.Contains(controller);
}

/// <summary>The hierarchies of /proc/mounts; hosts mount them where they like.</summary>
internal static class CgroupMounts
{
    public static IReadOnlyList<CgroupMount> OfHost() => Parse(File.ReadAllLines("/proc/mounts"));

    /// <param name="lines">Device, folder, file system, options, and two numbers (fstab(5)).</param>
    public static IReadOnlyList<CgroupMount> Parse(IEnumerable<string> lines) =>
        [.. from line in lines
            let fields = line.Split(' ')
            where fields.Length >= 4 && fields[2] is "cgroup" or "cgroup2"
            select new CgroupMount(Unescape(fields[1]), fields[2] == "cgroup" ? 1 : 2, fields[3].Split(','))];

    /// <summary>Blank, tab, line feed and backslash are written in octal.</summary>
    private static string Unescape(string path) => path
        .Replace("\\040", " ", StringComparison.Ordinal).Replace("\\011", "\t", StringComparison.Ordinal)
        .Replace("\\012", "\n", StringComparison.Ordinal).Replace("\\134", "\\", StringComparison.Ordinal);
}

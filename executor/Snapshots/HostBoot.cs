namespace RunnerVm.Snapshots;

/// <summary>Which boot of the host this is.</summary>
internal static class HostBoot
{
    private static readonly Lazy<string> s_id = new(static () => File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim());

    public static string Id => s_id.Value;
}

using System.Globalization;
using RunnerVm.Store;

namespace RunnerVm.Operate;

/// <summary>What the host itself gives: space, memory, rights, kernel features.</summary>
internal static class HostChecks
{
    private const long Gib = 1L << 30;

    /// <summary>The default image, its build and one job's writes.</summary>
    private const long EnoughDisk = 5 * Gib;
    private const long LeastDisk = Gib;

    /// <summary>One default machine of 1 GiB beside the system.</summary>
    private const long EnoughMemory = 3 * Gib / 2;

    public static IEnumerable<DoctorCheck> Run(DataDirectory data) =>
        [VhostVsock(), Disk(data), Memory(), Privileges(), Cgroup(), UserNamespaces()];

    private static DoctorCheck VhostVsock() => File.Exists("/dev/vhost-vsock")
        ? new("vhost-vsock", CheckStatus.Ok, "/dev/vhost-vsock is there; no engine needs it")
        : new("vhost-vsock", CheckStatus.Ok, "absent; no engine needs it");

    private static DoctorCheck Disk(DataDirectory data)
    {
        const string Name = "disk space";
        var free = new DriveInfo(data.Root).AvailableFreeSpace;
        var detail = $"{Size(free)} free in {data.Root}";
        const string Fix = "Free some, 'runnervm image prune' for a start, or set RUNNERVM_HOME to a larger disk.";
        return free switch
        {
            < LeastDisk => new(Name, CheckStatus.Missing, detail, "an image and a job need at least 1 GiB", Fix) { Required = true },
            < EnoughDisk => new(Name, CheckStatus.Warn, detail, "building images and larger jobs may need 5 GiB", Fix),
            _ => new(Name, CheckStatus.Ok, detail),
        };
    }

    private static DoctorCheck Memory()
    {
        const string Name = "memory";
        if (AvailableMemory(File.ReadLines("/proc/meminfo")) is not { } available)
            return new(Name, CheckStatus.Warn, "unknown", "/proc/meminfo has no MemAvailable");
        var detail = $"{Size(available)} available";
        return available >= EnoughMemory
            ? new(Name, CheckStatus.Ok, detail)
            : new(Name, CheckStatus.Warn, detail, "a default job asks for a machine of 1 GiB",
                "Give jobs less with 'runner: memory:', or free some.");
    }

    /// <summary>MemAvailable of /proc/meminfo in bytes, or null.</summary>
    internal static long? AvailableMemory(IEnumerable<string> lines) =>
        lines.FirstOrDefault(line => line.StartsWith("MemAvailable:", StringComparison.Ordinal)) is { } line
        && long.TryParse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture, out var kib)
            ? kib * 1024
            : null;

    private static DoctorCheck Privileges() => Environment.IsPrivilegedProcess
        ? new("privileges", CheckStatus.Ok, "root")
        : new("privileges", CheckStatus.Ok, $"user '{Environment.UserName}'; jobs need no more");

    private static DoctorCheck Cgroup() => File.Exists("/sys/fs/cgroup/cgroup.controllers")
        ? new("cgroups", CheckStatus.Ok, "version 2")
        : new("cgroups", CheckStatus.Warn, Directory.Exists("/sys/fs/cgroup/memory") ? "version 1" : "none mounted",
            "limits on a machine's process use version 2; jobs run without them",
            "Boot with systemd.unified_cgroup_hierarchy=1, or mount cgroup2 on /sys/fs/cgroup.");

    /// <summary>Needed to build images without being root.</summary>
    private static DoctorCheck UserNamespaces()
    {
        const string Name = "user namespaces";
        if (Read("/proc/sys/user/max_user_namespaces") == "0" || Read("/proc/sys/kernel/unprivileged_userns_clone") == "0")
            return new(Name, Environment.IsPrivilegedProcess ? CheckStatus.Ok : CheckStatus.Warn, "switched off",
                "users other than root build images in them",
                "sysctl -w user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1");
        if (Read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1")
            return new(Name, Environment.IsPrivilegedProcess ? CheckStatus.Ok : CheckStatus.Warn, "restricted by AppArmor",
                "users other than root build images in them", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
        return new(Name, CheckStatus.Ok, "available");
    }

    private static string? Read(string path) => File.Exists(path) ? File.ReadAllText(path).Trim() : null;

    private static string Size(long bytes) => $"{bytes / (double)Gib:0.0} GiB";
}

using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Boot;

/// <summary>mount(2) with errors that name type and place.</summary>
internal static class Mounts
{
    public static void Mount(string type, string source, string target, nuint flags = 0, string? options = null)
    {
        var errno = TryMount(type, source, target, flags, options);
        if (errno != 0) throw new LinuxException($"Cannot mount {type} {source} on {target}", errno);
    }

    /// <summary>Creates the mount point and mounts.</summary>
    /// <returns>0 or the error number.</returns>
    public static int TryMount(string type, string source, string target, nuint flags = 0, string? options = null)
    {
        KernelFile.CreateFolders(target);
        return Libc.mount(source, target, type, flags, options) < 0 ? Libc.Errno : 0;
    }

    public static void Move(string source, string target)
    {
        KernelFile.CreateFolders(target);
        LinuxException.ThrowIfNegative(Libc.mount(source, target, null, Libc.MS_MOVE, null), $"Cannot move the mount {source} to {target}");
    }

    public static void Bind(string source, string target)
    {
        KernelFile.CreateFolders(target);
        LinuxException.ThrowIfNegative(Libc.mount(source, target, null, Libc.MS_BIND, null), $"Cannot bind {source} to {target}");
    }

    /// <summary>Takes a mount away, whoever uses it; nothing happens where none is.</summary>
    public static void Detach(string target) => _ = Libc.umount2(target, Libc.MNT_DETACH);

    /// <summary>What every Linux userland expects, on the initramfs; thaw moves it into the job's root.</summary>
    public static void MountKernelFileSystems()
    {
        const nuint locked = Libc.MS_NOSUID | Libc.MS_NODEV | Libc.MS_NOEXEC;
        _ = TryMount("proc", "proc", "/proc", locked);
        _ = TryMount("sysfs", "sysfs", "/sys", locked);
        _ = TryMount("devtmpfs", "devtmpfs", "/dev", Libc.MS_NOSUID, "mode=0755");
        // The scratch disk dies with the machine: nothing is written to it for safety, only for want of memory.
        _ = KernelFile.TrySet("/proc/sys/vm/dirty_writeback_centisecs", "360000");
        _ = KernelFile.TrySet("/proc/sys/vm/dirty_expire_centisecs", "360000");
        // Once a second otherwise, and at the first tick of each restored machine: the sums the kernel keeps of its memory need not be that fresh.
        _ = KernelFile.TrySet("/proc/sys/vm/stat_interval", "120");
        // Twice a second otherwise, a look whether memory could be tidied before anybody asks.
        _ = KernelFile.TrySet("/proc/sys/vm/compaction_proactiveness", "0");
        // With favordynmods (6.0) moving a process between cgroups does not wait for an RCU grace period.
        if (Libc.mount("cgroup2", "/sys/fs/cgroup", "cgroup2", locked, "favordynmods") < 0)
        {
            _ = Libc.mount("cgroup2", "/sys/fs/cgroup", "cgroup2", locked, null);
        }
    }
}

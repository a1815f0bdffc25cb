using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Boot;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Thaw;

/// <summary>
/// The root the job sees: the read-only image below, the scratch disk above, kernel file systems and memory in between.
/// Nothing is expected of the image; missing mount points are created in the overlay.
/// </summary>
internal static class JobRoot
{
    private const string Scratch = "/scratch";
    private const string NewRoot = "/newroot";

    /// <summary>Builds the root and moves the whole agent into it.</summary>
    /// <returns>The scratch disk's top folder.</returns>
    public static SafeFileHandle Enter(Disks disks, string workspace)
    {
        if (!workspace.StartsWith('/')) throw new IOException($"The workspace must be an absolute path, not {workspace}.");
        KernelModules.Load("ext4", "overlay");
        MountScratch(disks);
        var scratch = KernelFile.Open(Scratch, Libc.O_RDONLY | Libc.O_DIRECTORY);
        foreach (var folder in (string[])["upper", "work", "workspace", "docker"]) KernelFile.CreateFolders($"{Scratch}/{folder}");
        MountOverlay(NewRoot, Disks.LowerFolder, $"{Scratch}/upper", $"{Scratch}/work");
        foreach (var name in disks.Extra) MountExtra(name);
        // Opened here, bound below: once inside, the scratch disk has no name, and links in the image resolve inside it.
        using var workspaceFolder = KernelFile.Open($"{Scratch}/workspace", Libc.O_PATH | Libc.O_DIRECTORY);
        using var dockerFolder = KernelFile.Open($"{Scratch}/docker", Libc.O_PATH | Libc.O_DIRECTORY);
        foreach (var place in (string[])["/proc", "/sys", "/dev"]) Mounts.Move(place, NewRoot + place);
        SwitchRoot();
        MountMemoryFolders();
        BindFolder(workspaceFolder, workspace);
        BindFolder(dockerFolder, "/var/lib/docker");
        _ = Libc.chdir(workspace);
        return scratch;
    }

    /// <summary>
    /// The disk dies with the machine, so no write needs to be safe against a crash of it. It is empty and fresh: no
    /// thread has to zero inode tables that read as zeroes, or read in all of its bitmaps beside the first step.
    /// </summary>
    private static void MountScratch(Disks disks)
    {
        const string options = "discard,barrier=0,noinit_itable";
        if (Mounts.TryMount("ext4", disks.Scratch, Scratch, Libc.MS_NOATIME, $"{options},no_prefetch_block_bitmaps") == 0) return;
        // Kernels before 5.13 do not know the last one, and do not read the bitmaps either.
        Mounts.Mount("ext4", disks.Scratch, Scratch, Libc.MS_NOATIME, options);
    }

    private static void MountOverlay(string target, string lower, string upper, string work)
    {
        var layers = $"lowerdir={lower},upperdir={upper},workdir={work}";
        // volatile (5.10): fsync costs nothing, for the reason above.
        if (Mounts.TryMount("overlay", "overlay", target, Libc.MS_NOATIME, $"{layers},volatile") == 0) return;
        Mounts.Mount("overlay", "overlay", target, Libc.MS_NOATIME, layers);
    }

    /// <summary>A further disk below /opt, where the job may write as on the root; it moves into place with that.</summary>
    private static void MountExtra(string name)
    {
        var (upper, work) = ($"{Scratch}/disks/{name}/upper", $"{Scratch}/disks/{name}/work");
        KernelFile.CreateFolders(upper);
        KernelFile.CreateFolders(work);
        MountOverlay($"{NewRoot}/opt/{name}", Disks.ExtraFolder(name), upper, work);
    }

    private static void SwitchRoot()
    {
        LinuxException.ThrowIfNegative(Libc.chdir(NewRoot), $"Cannot enter {NewRoot}");
        LinuxException.ThrowIfNegative(Libc.mount(".", "/", null, Libc.MS_MOVE, null), "Cannot move the new root into place");
        LinuxException.ThrowIfNegative(Libc.chroot("."), "Cannot switch to the new root");
        LinuxException.ThrowIfNegative(Libc.chdir("/"), "Cannot enter the new root");
    }

    /// <summary>What a kernel lacks is left out: a job that needs it says so itself.</summary>
    private static void MountMemoryFolders()
    {
        const nuint quiet = Libc.MS_NOSUID | Libc.MS_NODEV;
        _ = Mounts.TryMount("devpts", "devpts", "/dev/pts", Libc.MS_NOSUID | Libc.MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666");
        _ = Mounts.TryMount("tmpfs", "shm", "/dev/shm", quiet, "mode=1777");
        _ = Mounts.TryMount("mqueue", "mqueue", "/dev/mqueue", quiet | Libc.MS_NOEXEC);
        _ = Mounts.TryMount("tmpfs", "run", "/run", quiet, "mode=0755");
        KernelFile.CreateFolders("/run/lock");
        KernelFile.CreateFolders("/tmp");
        _ = Libc.chmod("/run/lock", 0b001_111_111_111);
        _ = Libc.chmod("/tmp", 0b001_111_111_111);
        LinkStandardStreams();
    }

    /// <summary>What shells and scripts name as /dev/fd and /dev/stdout.</summary>
    public static void LinkStandardStreams()
    {
        foreach (var (name, target) in ((string, string)[])[("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")])
        {
            _ = Libc.symlinkat(target, Libc.AT_FDCWD, $"/dev/{name}");
        }
    }

    private static void BindFolder(SafeFileHandle folder, string target) => Mounts.Bind($"/proc/self/fd/{folder.DangerousGetHandle()}", target);
}

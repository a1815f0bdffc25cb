using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Boot;

/// <summary>The machine's two disks, found by the serial the host gave them, else by their order.</summary>
/// <param name="Root">Device of the read-only root image.</param>
/// <param name="Scratch">Device of the writable disk.</param>
internal sealed record Disks(string Root, string Scratch)
{
    public const string LowerFolder = "/lower";

    private static Disks Find()
    {
        string? root = null;
        string? scratch = null;
        foreach (var block in Directory.GetFileSystemEntries("/sys/block"))
        {
            var device = $"/dev/{Path.GetFileName(block)}";
            switch (KernelFile.TryRead($"{block}/serial")?.Trim('\0', '\n', ' '))
            {
                case "runnervm-root":
                    root = device;
                    break;
                case "runnervm-scratch":
                    scratch = device;
                    break;
            }
        }

        return new(root ?? "/dev/vda", scratch ?? "/dev/vdb");
    }

    /// <summary>Finds the disks and mounts the root image; before hello, so that a snapshot holds it mounted.</summary>
    public static Disks MountRoot()
    {
        KernelModules.Load("virtio_blk", "crc32c_generic", "erofs");
        var disks = Find();
        var errno = Mounts.TryMount("erofs", disks.Root, LowerFolder, Libc.MS_RDONLY);
        // Images made by hand may be of another kind.
        if (errno == Libc.EINVAL) errno = Mounts.TryMount("ext4", disks.Root, LowerFolder, Libc.MS_RDONLY);
        return errno == 0 ? disks : throw new LinuxException($"Cannot mount the root image on {disks.Root}", errno);
    }
}

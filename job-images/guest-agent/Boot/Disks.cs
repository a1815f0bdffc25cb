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
        // Named in order of discovery, without gaps; listing the folder would cost more than all of the reads.
        for (var letter = 'a'; letter <= 'z' && (root is null || scratch is null); letter++)
        {
            if (KernelFile.TryRead($"/sys/block/vd{letter}/serial") is not { } serial) break;
            var device = $"/dev/vd{letter}";
            if (serial.StartsWith("runnervm-root", StringComparison.Ordinal)) root = device;
            else if (serial.StartsWith("runnervm-scratch", StringComparison.Ordinal)) scratch = device;
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

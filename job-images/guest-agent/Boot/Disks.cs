using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Boot;

/// <summary>The machine's disks, found by the serials the host gave them, else by their order.</summary>
/// <param name="Root">Device of the read-only root image.</param>
/// <param name="Scratch">Device of the writable disk.</param>
/// <param name="Extra">Names of further read-only disks, each mounted in <see cref="ExtraFolder"/>.</param>
internal sealed record Disks(string Root, string Scratch, IReadOnlyList<string> Extra)
{
    public const string LowerFolder = "/lower";

    /// <summary>Names, with commas between them; the kernel hands it on from its command line.</summary>
    private const string NamesVariable = "runnervm_disks";

    /// <summary>Where a further disk is mounted until the job's root is made.</summary>
    public static string ExtraFolder(string name) => $"/disks/{name}";

    /// <summary>Finds the disks and mounts all that are read-only; before hello, so that a snapshot holds them mounted.</summary>
    public static Disks MountReadOnly()
    {
        KernelModules.Load("virtio_blk", "crc32c_generic", "erofs");
        var names = ExtraNames();
        var devices = Find(names);
        var disks = new Disks(devices[0], devices[1], names);
        var errno = Mounts.TryMount("erofs", disks.Root, LowerFolder, Libc.MS_RDONLY);
        // Images made by hand may be of another kind.
        if (errno == Libc.EINVAL) errno = Mounts.TryMount("ext4", disks.Root, LowerFolder, Libc.MS_RDONLY);
        if (errno != 0) throw new LinuxException($"Cannot mount the root image on {disks.Root}", errno);
        for (var i = 0; i < names.Length; i++) Mounts.Mount("erofs", devices[2 + i], ExtraFolder(names[i]), Libc.MS_RDONLY);
        return disks;
    }

    private static string[] ExtraNames() => Environment.GetEnvironmentVariable(NamesVariable)?.Split(',', StringSplitOptions.RemoveEmptyEntries) ?? [];

    /// <returns>Devices of the root image, the scratch disk, and the further ones.</returns>
    private static string[] Find(string[] names)
    {
        string[] serials = ["runnervm-root", "runnervm-scratch", .. names.Select(static n => $"rvx-{n}")];
        var devices = new string?[serials.Length];
        // Named in order of discovery, without gaps; listing the folder would cost more than all of the reads.
        for (var letter = 'a'; letter <= 'z' && devices.Contains(null); letter++)
        {
            if (KernelFile.TryRead($"/sys/block/vd{letter}/serial") is not { } serial) break;
            var which = Array.FindIndex(serials, s => serial.TrimEnd('\n', '\0', ' ') == s);
            if (which < 0) continue;
            devices[which] = $"/dev/vd{letter}";
            // Writing is throttled by timers otherwise, which are late in each restored machine; the disk is the host's page cache.
            _ = KernelFile.TrySet($"/sys/block/vd{letter}/queue/wbt_lat_usec", "0");
        }

        return [.. devices.Select(static (device, i) => device ?? $"/dev/vd{(char)('a' + i)}")];
    }
}

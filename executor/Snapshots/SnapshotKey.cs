using System.IO.Hashing;
using System.Text;
using RunnerVm.Machines;

namespace RunnerVm.Snapshots;

/// <summary>
/// The name of a snapshot, made of everything that went into it: a changed agent, kernel, image, engine or processor has
/// another name, so none is ever restored in place of another.
/// </summary>
/// <param name="Name">Sixteen hexadecimal digits; the folder's name.</param>
/// <param name="Inputs">What it was made of, a line each, for people.</param>
internal sealed record SnapshotKey(string Name, IReadOnlyList<string> Inputs)
{
    /// <summary>Raised when the folder's layout, or what is done to the guest before it is laid down, changes.</summary>
    private const int FormatVersion = 2;

    /// <summary>Looks at files' names, sizes and times, not into them.</summary>
    public static async Task<SnapshotKey> ForAsync(ISnapshottingEngine engine, MachineKind kind, CancellationToken cancellationToken)
    {
        List<string> inputs =
        [
            $"format {FormatVersion}",
            $"engine {engine.Name}",
            .. await engine.DescribeAsync(cancellationToken),
            $"kernel {Describe(kind.Files.Kernel)}",
            // Written anew whenever clones of this repository take turns; its name is its content's digest.
            $"initramfs {kind.Files.Initramfs}",
            $"image {Describe(kind.Files.RootImage)}",
            $"cpus {kind.Cpus}",
            $"memory {kind.MemoryMib} MiB",
            $"disk {kind.DiskBytes}",
            $"network {(kind.Network ? "yes" : "no")}",
            .. kind.Disks.Select(static disk => $"read-only disk {disk.Name} {Describe(disk.Path)}"),
        ];
        var digest = XxHash128.Hash(Encoding.UTF8.GetBytes(string.Join('\n', inputs)));
        return new(Convert.ToHexStringLower(digest.AsSpan(0, 8)), inputs);
    }

    private static string Describe(string path)
    {
        var file = new FileInfo(path);
        return file.Exists ? $"{path} {file.Length} {file.LastWriteTimeUtc.Ticks}" : $"{path} (gone)";
    }
}

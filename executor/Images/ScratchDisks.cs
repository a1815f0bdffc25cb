using RunnerVm.Store;

namespace RunnerVm.Images;

/// <summary>
/// Makes scratch disks: sparse files of the asked size with an empty ext4 file system, which cost the host only what a
/// job writes. mkfs runs once per size; the stretches of its disk that are no holes are copied into each new one, which takes a few
/// milliseconds where mkfs takes thirty.
/// </summary>
internal sealed class ScratchDisks
{
    /// <summary>The smallest disk a job can have.</summary>
    public const long MinimumBytes = 64L << 20;

    private const int BlockBytes = 4096;
    private const int DiskFull = 28;
    private readonly string _folder;
    private readonly TimeProvider _time;

    public ScratchDisks(DataDirectory data, TimeProvider time)
    {
        _folder = data.Images;
        _time = time;
    }

    /// <summary>Creates the disk; nothing is left of it when that fails.</summary>
    /// <param name="path">A file that does not exist yet.</param>
    /// <param name="bytes">Its virtual size, rounded down to 4 KiB.</param>
    /// <exception cref="UserException">The size is too small, or the host's disk is full.</exception>
    public async Task CreateAsync(string path, long bytes, CancellationToken cancellationToken)
    {
        bytes -= bytes % BlockBytes;
        if (bytes < MinimumBytes)
        {
            throw new UserException(
                ExitCodes.BadFile, $"A scratch disk of {bytes >> 20} MiB is too small: \"disk\" must be at least {MinimumBytes >> 20} MiB.");
        }

        try
        {
            var template = await TemplateAsync(bytes, cancellationToken);
            using var disk = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write);
            SparseFile.Copy(template, disk);
        }
        catch (Exception e) when (e is IOException { HResult: DiskFull } or ArgumentOutOfRangeException)
        {
            File.Delete(path);
            var why = e is IOException
                ? "the host's disk is full. Free some space (\"runnervm image prune\" removes unused images), or set RUNNERVM_HOME to a disk with more"
                : "the host's file system has no files that large. Ask for a smaller \"disk\"";
            throw new UserException(ExitCodes.RunnerFailed, $"Cannot make the scratch disk {path} of {bytes >> 20} MiB: {why}.", e);
        }
    }

    /// <summary>A freshly formatted disk of that size.</summary>
    private async Task<string> TemplateAsync(long bytes, CancellationToken cancellationToken)
    {
        var path = Path.Combine(_folder, $".scratch-{bytes}");
        if (File.Exists(path)) return path;
        await using var site = await BuildSite.EnterAsync(_folder, "scratch", () => { }, _time, cancellationToken);
        if (File.Exists(path)) return path;

        var disk = Path.Combine(site.Folder, "disk");
        using (var file = File.OpenHandle(disk, FileMode.CreateNew, FileAccess.Write)) RandomAccess.SetLength(file, bytes);
        await Tool.RunAsync(
            "mkfs.ext4",
            ["-q", "-F", "-O", "^has_journal", "-E", "lazy_itable_init=1,nodiscard", "-m", "0", "-L", "scratch", disk],
            new() { Attempt = "format a scratch disk" },
            cancellationToken);
        File.Move(disk, path);
        return path;
    }
}

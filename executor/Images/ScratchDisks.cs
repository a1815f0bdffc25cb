using Microsoft.Win32.SafeHandles;
using RunnerVm.Store;
using Tmds.Linux;

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

    // From <unistd.h>; Tmds.LibC does not have them.
    private const int SEEK_DATA = 3;
    private const int SEEK_HOLE = 4;
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
            CopySparsely(template, disk, bytes);
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

    private static void CopySparsely(string template, SafeFileHandle target, long bytes)
    {
        using var source = File.OpenHandle(template);
        RandomAccess.SetLength(target, bytes);
        var buffer = new byte[1 << 20];
        for (var (start, end) = NextData(source, 0); start < bytes; (start, end) = NextData(source, end))
        {
            for (var at = start; at < end;)
            {
                var length = RandomAccess.Read(source, buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - at)), at);
                if (length == 0) break;
                RandomAccess.Write(target, buffer.AsSpan(0, length), at);
                at += length;
            }
        }
    }

    /// <summary>The next stretch that is no hole (lseek(2), SEEK_DATA and SEEK_HOLE); past the end where there is none.</summary>
    private static (long Start, long End) NextData(SafeFileHandle file, long from)
    {
        var descriptor = file.DangerousGetHandle().ToInt32();
        var start = (long)LibC.lseek(descriptor, from, SEEK_DATA);
        // ENXIO: nothing but a hole follows.
        if (start < 0) return (long.MaxValue, long.MaxValue);
        return (start, (long)LibC.lseek(descriptor, start, SEEK_HOLE));
    }
}

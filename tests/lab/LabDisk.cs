using System.Security.Cryptography;
using System.Text;
using RunnerVm.Images;
using RunnerVm.Store;

namespace RunnerVm.Tests.Lab;

/// <summary>
/// The writable disk of the lab's machine, with all in it that guests inside need. What is large and seldom changes is
/// formatted once into a template (<see cref="Layout"/>); the programs are written into each run's own copy.
/// </summary>
internal sealed class LabDisk(DataDirectory data, LabFiles files)
{
    private const long Bytes = 8L << 30;
    private const long GuestScratchBytes = 256L << 20;

    /// <summary>Raised when the same inputs would give another disk.</summary>
    private const string Layout = "3";

    /// <summary>Copies the template to a new file and writes today's programs into it: some 0.2 s.</summary>
    public async Task CreateAsync(string path, IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        var template = await TemplateAsync(progress, cancellationToken);
        await Tool.RunAsync("cp", ["--reflink=auto", "--sparse=auto", template, path], new() { Attempt = "copy the lab's disk" }, cancellationToken);
        // Not by mounting: that needs root. debugfs keeps the files' modes and owners as numbers.
        var commands = new StringBuilder();
        foreach (var program in files.Programs) commands.Append($"write \"{program}\" workspace/programs/{Path.GetFileName(program)}\n");
        commands.Append($"write \"{files.Initramfs}\" workspace/kernel/initramfs.cpio\n");
        commands.Append($"write \"{files.TestGuest}\" workspace/kernel/guest.cpio\n");
        var script = path + ".debugfs";
        await File.WriteAllTextAsync(script, commands.ToString(), cancellationToken);
        await Tool.RunAsync("debugfs", ["-w", "-f", script, path], new() { Attempt = "write our programs into the lab's disk" }, cancellationToken);
        File.Delete(script);
    }

    private async Task<string> TemplateAsync(IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        var path = Path.Combine(data.Images, $".lab-disk-{Key()}");
        if (File.Exists(path)) return path;
        await using var site = await BuildSite.EnterAsync(data.Images, "lab-disk", () => { }, TimeProvider.System, cancellationToken);
        if (File.Exists(path)) return path;

        progress.Report(new("lab disk", null, "formatting"));
        var staging = Path.Combine(site.Folder, "staging");
        await StageAsync(staging, cancellationToken);
        var disk = Path.Combine(site.Folder, "disk");
        await Tool.RunAsync(
            "mkfs.ext4",
            ["-q", "-F", "-O", "^has_journal", "-E", "lazy_itable_init=1,nodiscard,root_owner=0:0", "-m", "0", "-d", staging, disk, $"{Bytes >> 10}K"],
            new() { Attempt = "format the lab's disk" },
            cancellationToken);
        foreach (var old in Directory.GetFiles(data.Images, ".lab-disk-*")) File.Delete(old);
        File.Move(disk, path);
        return path;
    }

    /// <summary>The agent mounts the disk, binds workspace/ to its place and lays upper/ over the root image.</summary>
    private async Task StageAsync(string staging, CancellationToken cancellationToken)
    {
        var lab = Path.Combine(staging, "workspace");
        foreach (var folder in new[] { "programs", "kernel", "home/kernels", "home/images" }) Directory.CreateDirectory(Path.Combine(lab, folder));
        var kernel = Path.GetFileName(files.KernelFolder);
        await CopyAsync(files.KernelFolder, Path.Combine(lab, "home/kernels", kernel));
        await CopyAsync(Path.Combine(data.Kernels, "kernel.json"), Path.Combine(lab, "home/kernels/kernel.json"));
        foreach (var name in new[] { "vmlinux", "vmlinuz" })
            File.CreateSymbolicLink(Path.Combine(lab, "kernel", name), $"../home/kernels/{kernel}/{name}");
        foreach (var extension in new[] { ".erofs", ".json", ".packages" })
            await CopyAsync(Path.ChangeExtension(files.GuestRoot, extension), Path.Combine(lab, "home/images", Path.GetFileNameWithoutExtension(files.GuestRoot) + extension));
        File.CreateSymbolicLink(Path.Combine(lab, "root.erofs"), $"home/images/{Path.GetFileName(files.GuestRoot)}");
        await new ScratchDisks(data, TimeProvider.System).CreateAsync(Path.Combine(lab, "scratch.ext4"), GuestScratchBytes, cancellationToken);
        await CopyAsync(files.Recipes, Path.Combine(lab, "job-images"));
        await CopyAsync(Path.Combine(files.KernelFolder, "lab-modules"), Path.Combine(staging, "upper/usr/lib/modules"));

        Task CopyAsync(string from, string to)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            return Tool.RunAsync("cp", ["-r", "--reflink=auto", from, to], new() { Attempt = "gather the lab's disk" }, cancellationToken);
        }
    }

    private string Key()
    {
        var guestRoot = new FileInfo(files.GuestRoot);
        var recipes = Directory.GetFiles(files.Recipes, "image.yml", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(File.ReadAllText);
        var kernel = File.ReadAllText(Path.Combine(data.Kernels, "kernel.json"));
        var inputs = string.Join('\n', [Layout, kernel, $"{Bytes} {GuestScratchBytes}", files.KernelFolder, $"{guestRoot.Name} {guestRoot.Length}", .. recipes]);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(inputs)))[..12];
    }
}

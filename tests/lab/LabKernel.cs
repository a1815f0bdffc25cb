using System.Text.Json;
using RunnerVm.Images;
using RunnerVm.Store;

namespace RunnerVm.Tests.Lab;

/// <summary>
/// The distribution's cloud kernel for both levels. It lies in the lab's data directory the way <see cref="KernelStore"/>
/// keeps one, and beside that has what only the lab needs of the same package: the bzImage (<c>vmlinuz</c>) and the
/// modules of the lab's own machine (<c>lab-modules</c>).
/// </summary>
internal static class LabKernel
{
    /// <summary>With all they depend on: KVM, network devices for guests, what QEMU beside us needs, and the drivers of test guests.</summary>
    private static readonly string[] Wanted =
    [
        "kvm_amd", "kvm_intel", "tun", "loop", "veth", "bridge", "vhost_net", "vhost_vsock", "vsock_loopback", "virtio_net",
        "virtio_mmio", "virtio_blk", "virtio_balloon", "virtio_rng", "vmw_vsock_virtio_transport", "af_packet",
    ];

    /// <summary>Says which modules are there, so that a kernel an older lab unpacked is unpacked anew.</summary>
    private const string ModuleList = "lab-modules.list";

    /// <summary>The folder of the kernel; fetched first where there is none. Two that ask fetch once.</summary>
    public static async Task<string> GetAsync(DataDirectory data, IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        if (Find(data) is { } ready) return ready;
        await using var site = await BuildSite.EnterAsync(
            data.Kernels, "lab-kernel", () => progress.Report(new("kernel", null, "another lab is fetching it, waiting")), TimeProvider.System, cancellationToken);
        if (Find(data) is { } other) return other;

        var package = await KernelPackage.DownloadAsync(
            site.Folder, newest: false, text => progress.Report(new("kernel", null, text)), cancellationToken);
        var files = Path.Combine(site.Folder, "package");
        await package.UnpackAsync(files, cancellationToken);
        var bootImage = Directory.GetFiles(Path.Combine(files, "boot"), "vmlinuz-*").Single();
        var release = Path.GetFileName(bootImage)["vmlinuz-".Length..];
        var finished = Directory.CreateDirectory(Path.Combine(site.Folder, "finished")).FullName;
        File.Copy(bootImage, Path.Combine(finished, "vmlinuz"));
        await BootImage.ExtractAsync(bootImage, Path.Combine(finished, "vmlinux"), cancellationToken);
        var modules = Path.Combine(files, "lib", "modules", release);
        if (!Directory.Exists(modules)) modules = Path.Combine(files, "usr", "lib", "modules", release);
        var order = await new ModuleGraph(modules).WriteToAsync(Path.Combine(finished, "modules"), cancellationToken);
        CopyModules(modules, Path.Combine(finished, "lab-modules", release));
        await File.WriteAllTextAsync(Path.Combine(finished, ModuleList), string.Join(' ', Wanted), cancellationToken);
        return Publish(data, finished, $"{release}_{package.Version.Replace(':', '_')}", order);
    }

    private static string? Find(DataDirectory data) =>
        new KernelStore(data, TimeProvider.System).Current is { } kernel
        && Path.GetDirectoryName(kernel.Path) is { } folder
        && File.Exists(Path.Combine(folder, ModuleList))
        && File.ReadAllText(Path.Combine(folder, ModuleList)) == string.Join(' ', Wanted) ? folder : null;

    /// <summary>Without signatures: checking them takes a software CPU 10 ms a module.</summary>
    private static void CopyModules(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var list in new[] { "modules.builtin", "modules.order" }) File.Copy(Path.Combine(from, list), Path.Combine(to, list));
        var files = Directory.EnumerateFiles(from, "*.ko", SearchOption.AllDirectories).ToDictionary(ModuleGraph.NameOf);
        var seen = new HashSet<string>();
        foreach (var name in Wanted) Copy(name);

        void Copy(string name)
        {
            if (!files.TryGetValue(name, out var file) || !seen.Add(name)) return;
            var content = File.ReadAllBytes(file);
            foreach (var dependency in ModuleGraph.Dependencies(content)) Copy(dependency);
            File.WriteAllBytes(Path.Combine(to, Path.GetFileName(file)), ModuleGraph.WithoutSignature(content));
        }
    }

    /// <summary>The manifest comes last: it makes the kernel exist.</summary>
    private static string Publish(DataDirectory data, string finished, string version, IReadOnlyList<string> order)
    {
        var target = Path.Combine(data.Kernels, version);
        if (Directory.Exists(target)) Directory.Delete(target, recursive: true);
        Directory.Move(finished, target);
        var manifest = new KernelManifest(KernelStore.FormatVersion, ModuleGraph.Choice, version, version, order);
        AtomicFile.Write(Path.Combine(data.Kernels, "kernel.json"), JsonSerializer.SerializeToUtf8Bytes(manifest, ImagesJson.Default.KernelManifest));
        return target;
    }
}

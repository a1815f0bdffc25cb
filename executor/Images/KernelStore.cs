using System.Text.Json;
using RunnerVm.Store;

namespace RunnerVm.Images;

/// <summary>
/// The distribution's kernel, unpacked once into <c>kernels/VERSION/</c> (<c>vmlinux</c>, <c>modules/</c>). A manifest
/// names the current one, so using it costs one small file to read and no call of apt.
/// </summary>
internal sealed class KernelStore
{
    private const string What = "kernel";
    internal const int FormatVersion = 1;
    private readonly string _folder;
    private readonly TimeProvider _time;

    public KernelStore(DataDirectory data, TimeProvider time)
    {
        _folder = data.Kernels;
        _time = time;
    }

    private string ManifestPath => Path.Combine(_folder, "kernel.json");

    /// <summary>The kernel on hand, or null where none has been fetched yet. Never asks apt.</summary>
    public Kernel? Current => Read()?.ToKernel(_folder);

    /// <summary>The kernel on hand; fetched and unpacked first where there is none, or where a newer one is asked for.</summary>
    /// <param name="refresh">Ask the archive for its newest.</param>
    /// <exception cref="UserException">It could not be fetched or unpacked.</exception>
    public async Task<Kernel> GetAsync(bool refresh, IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        if (!refresh && Current is { } current) return current;
        await using var site = await BuildSite.EnterAsync(
            _folder, What, () => progress.Report(new(What, null, "another runnervm is fetching it, waiting")), _time, cancellationToken);
        if ((!refresh || site.Waited) && Current is { } other) return other;
        return await FetchAsync(site.Folder, refresh, progress, cancellationToken);
    }

    private async Task<Kernel> FetchAsync(
        string folder, bool refresh, IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        progress.Report(new(What, 0, "looking for the distribution's cloud kernel"));
        var package = await KernelPackage.DownloadAsync(
            folder, refresh, text => progress.Report(new(What, 0.1, text)), cancellationToken);
        progress.Report(new(What, 0.5, $"unpacking {package.Name} {package.Version}"));
        var files = Path.Combine(folder, "package");
        await package.UnpackAsync(files, cancellationToken);

        var finished = Directory.CreateDirectory(Path.Combine(folder, "finished")).FullName;
        var bootImage = Directory.GetFiles(Path.Combine(files, "boot"), "vmlinuz-*").Single();
        progress.Report(new(What, 0.8, "unpacking the ELF kernel and its modules"));
        await BootImage.ExtractAsync(bootImage, Path.Combine(finished, "vmlinux"), cancellationToken);
        var release = Path.GetFileName(bootImage)["vmlinuz-".Length..];
        var modules = await new ModuleGraph(ModuleFolder(files, release))
            .WriteToAsync(Path.Combine(finished, "modules"), cancellationToken);

        var version = $"{release}_{package.Version.Replace(':', '_')}";
        Publish(finished, version, modules);
        progress.Report(new(What, 1, $"{release} is ready"));
        return Current!;
    }

    private void Publish(string finished, string version, IReadOnlyList<string> modules)
    {
        // Each fetch has a folder of its own: machines may be starting from the one before.
        var name = $"{version}_{_time.GetUtcNow().ToUnixTimeSeconds():x}";
        var target = Path.Combine(_folder, name);
        if (Directory.Exists(target)) Directory.Delete(target, recursive: true);
        Directory.Move(finished, target);
        var manifest = new KernelManifest(FormatVersion, ModuleGraph.Choice, version, name, modules);
        var bytes = JsonSerializer.SerializeToUtf8Bytes(manifest, ImagesJson.Default.KernelManifest);
        AtomicFile.Write(ManifestPath, bytes);
    }

    /// <summary>Removes kernels that are no longer current.</summary>
    public IReadOnlyList<string> Prune()
    {
        if (Read() is not { } manifest) return [];
        var old = Directory.GetDirectories(_folder)
            .Where(folder => Path.GetFileName(folder) is var name && name != manifest.Folder && name[0] != '.')
            .ToList();
        foreach (var folder in old) Directory.Delete(folder, recursive: true);
        return old;
    }

    private KernelManifest? Read()
    {
        try
        {
            var manifest = JsonSerializer.Deserialize(File.ReadAllBytes(ManifestPath), ImagesJson.Default.KernelManifest);
            var usable = manifest is not null
                && manifest.FormatVersion == FormatVersion
                && manifest.ModuleChoice == ModuleGraph.Choice
                && File.Exists(Path.Combine(_folder, manifest.Folder, "vmlinux"));
            return usable ? manifest : null;
        }
        catch (Exception e) when (e is FileNotFoundException or JsonException)
        {
            return null;
        }
    }

    private static string ModuleFolder(string files, string release)
    {
        var merged = Path.Combine(files, "usr", "lib", "modules", release);
        return Directory.Exists(merged) ? merged : Path.Combine(files, "lib", "modules", release);
    }
}

/// <summary>What kernel.json says.</summary>
/// <param name="FormatVersion">Of the folder's layout.</param>
/// <param name="ModuleChoice">Which modules were looked for.</param>
/// <param name="Version">Release and package version.</param>
/// <param name="Folder">Its folder's name.</param>
/// <param name="Modules">File names in load order.</param>
internal sealed record KernelManifest(
    int FormatVersion, string ModuleChoice, string Version, string Folder, IReadOnlyList<string> Modules)
{
    public Kernel ToKernel(string store) => new(
        Version,
        Path.Combine(store, Folder, "vmlinux"),
        [.. Modules.Select(module => Path.Combine(store, Folder, "modules", module))]);
}

using System.Text.Json;
using RunnerVm.Store;

namespace RunnerVm.Images.Runners;

/// <summary>The versions of GitHub's runner on this host: <c>runners/VERSION.erofs</c> with a manifest beside it. The last two stay.</summary>
internal sealed class RunnerStore(DataDirectory data, TimeProvider time)
{
    /// <summary>The newest, and the one before it for the day the newest is bad.</summary>
    private const int Kept = 2;

    /// <summary>All versions, the newest first.</summary>
    public IReadOnlyList<RunnerDisk> List() => [.. Manifests()
        .Select(m => new RunnerDisk(m.Version, Path.Combine(data.Runners, m.File), m.Released, m.Sha256, m.Bytes))
        .OrderByDescending(static d => System.Version.Parse(d.Version))];

    /// <summary>Packs a runner from a local archive or folder.</summary>
    /// <param name="from">A .tar.gz of GitHub's releases, or what was unpacked from one.</param>
    /// <param name="sha256">What the archive's digest must be; null: it is not known.</param>
    /// <param name="released">When GitHub released it; null: the date of its files.</param>
    /// <exception cref="UserException">It is no runner, another file, or could not be packed.</exception>
    public async Task<RunnerDisk> FetchAsync(
        string from, string? sha256, DateTimeOffset? released, IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        await using var site = await BuildSite.EnterAsync(
            data.Runners, "runner", () => progress.Report(new("runner", null, "another runnervm is fetching one, waiting")), time, cancellationToken);
        var (folder, digest) = await PrepareAsync(from, sha256, site.Folder, progress, cancellationToken);
        progress.Report(new("runner", 0.5, $"packing version {folder.Version}"));
        var packed = Path.Combine(site.Folder, "runner.erofs");
        await Tool.RunAsync(
            "mkfs.erofs", ["-d0", "-zlz4", "-T0", "--all-root", packed, folder.Path],
            new() { Attempt = $"pack the runner {folder.Version}" }, cancellationToken);
        var disk = Publish(folder, packed, digest, released ?? folder.Date);
        foreach (var old in List().Skip(Kept).Where(d => d.Version != disk.Version)) Delete(old);
        progress.Report(new("runner", 1, $"version {disk.Version} ready, {disk.Bytes / 1_000_000} MB"));
        return disk;
    }

    /// <summary>Downloads a release and packs it, unless it is here already.</summary>
    /// <param name="version">Null: the latest.</param>
    /// <exception cref="UserException">It cannot be had, is another file than released, or could not be packed.</exception>
    public async Task<RunnerDisk> FetchReleaseAsync(RunnerReleases releases, string? version, IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        progress.Report(new("runner", null, "looking for the release"));
        var release = await releases.FindAsync(version, cancellationToken);
        if (List().FirstOrDefault(d => d.Version == release.Version && d.Sha256 == release.Sha256) is { } here)
        {
            progress.Report(new("runner", 1, $"version {here.Version} is here already"));
            return here;
        }

        // A site of its own: packing takes the other, and a killed download is swept with it.
        await using var site = await BuildSite.EnterAsync(
            data.Runners, "download", () => progress.Report(new("runner", null, "another runnervm is downloading one, waiting")), time, cancellationToken);
        var archive = Path.Combine(site.Folder, "runner.tar.gz");
        await releases.DownloadAsync(release, archive, progress, cancellationToken);
        return await FetchAsync(archive, release.Sha256, release.Released, progress, cancellationToken);
    }

    private static async Task<(RunnerFolder Folder, string? Digest)> PrepareAsync(
        string from, string? sha256, string site, IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        if (Directory.Exists(from))
        {
            if (sha256 is not null) throw new UserException(ExitCodes.Usage, $"\"{from}\" is a folder, and --sha256 is for an archive.");
            return (RunnerFolder.Open(from), null);
        }

        if (!File.Exists(from)) throw new UserException(ExitCodes.Failed, $"Cannot fetch a runner from \"{from}\": there is no such file or folder.");
        progress.Report(new("runner", 0, "checking and unpacking the archive"));
        var unpacked = Directory.CreateDirectory(Path.Combine(site, "files")).FullName;
        var digest = await RunnerFolder.UnpackAsync(from, sha256, unpacked, cancellationToken);
        return (RunnerFolder.Open(unpacked), digest);
    }

    private RunnerDisk Publish(RunnerFolder folder, string packed, string? digest, DateTimeOffset released)
    {
        var file = $"{folder.Version}.erofs";
        var manifest = new RunnerManifest(folder.Version, file, released, digest, new FileInfo(packed).Length);
        File.SetUnixFileMode(packed, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        // By rename: machines that run from the file before keep it. The manifest comes last, it makes the disk exist.
        File.Move(packed, Path.Combine(data.Runners, file), overwrite: true);
        AtomicFile.Write(Path.Combine(data.Runners, $"{folder.Version}.json"), JsonSerializer.SerializeToUtf8Bytes(manifest, RunnerJson.Default.RunnerManifest));
        return new(manifest.Version, Path.Combine(data.Runners, file), released, digest, manifest.Bytes);
    }

    private IEnumerable<RunnerManifest> Manifests()
    {
        foreach (var path in Directory.EnumerateFiles(data.Runners, "*.json"))
        {
            RunnerManifest? manifest;
            try
            {
                manifest = JsonSerializer.Deserialize(File.ReadAllBytes(path), RunnerJson.Default.RunnerManifest);
            }
            catch (Exception e) when (e is JsonException or FileNotFoundException)
            {
                continue;
            }

            if (manifest is not null && System.Version.TryParse(manifest.Version, out _) && File.Exists(Path.Combine(data.Runners, manifest.File))) yield return manifest;
        }
    }

    private static void Delete(RunnerDisk disk)
    {
        File.Delete(Path.ChangeExtension(disk.Path, ".json"));
        File.Delete(disk.Path);
    }
}

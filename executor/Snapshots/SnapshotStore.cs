using System.Text.Json;
using RunnerVm.Images;
using RunnerVm.Store;

namespace RunnerVm.Snapshots;

/// <summary>
/// The snapshots of this host: <c>snapshots/NAME/{memory,state,scratch,manifest.json}</c>, each published whole by one rename.
/// Machines that run from one keep its files however it leaves the store.
/// </summary>
internal sealed class SnapshotStore(DataDirectory data, TimeProvider time)
{
    private const string ManifestName = "manifest.json";
    private const string GravePrefix = ".gone-";

    /// <summary>Room all of them may take; the longest unused go first.</summary>
    public const long DefaultMaxBytes = 8L << 30;

    /// <summary>A kind whose snapshot could not be made or did not wake up is not tried again for so long.</summary>
    private static readonly TimeSpan FailurePause = TimeSpan.FromMinutes(30);

    public string Folder => data.Snapshots;

    public long MaxBytes { get; init; } = DefaultMaxBytes;

    /// <summary>
    /// The snapshot of that key, unharmed. One that is not is thrown away; <see cref="SnapshotFinding.ThrownAway"/> says why. Costs
    /// some file attributes and a small file; after a restart of the host, and once an hour, the time to read what is in the files.
    /// </summary>
    public SnapshotFinding Find(SnapshotKey key)
    {
        var folder = PathOf(key.Name);
        if (!Directory.Exists(folder)) return new(null, null);
        if (Read(folder) is not { } snapshot) return ThrowAway(folder, "its manifest cannot be read");
        try
        {
            if (Check(snapshot, time.GetUtcNow(), out var harmed) is not { } sealedAgain) return ThrowAway(folder, $"its {harmed} is not what was written");
            if (sealedAgain != snapshot.Manifest) Write(folder, sealedAgain);
            File.SetLastWriteTimeUtc(Path.Combine(folder, ManifestName), time.GetUtcNow().UtcDateTime);
            return new(snapshot, null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Somebody removed it while we looked, or the disk fails: either way there is none to start from.
            return Directory.Exists(folder) ? ThrowAway(folder, e.Message) : new(null, null);
        }
    }

    /// <summary>Whether one should be made: there is none, and it has not failed of late.</summary>
    public bool Wants(SnapshotKey key) => !Directory.Exists(PathOf(key.Name))
        && !(File.Exists(FailureOf(key.Name)) && time.GetUtcNow() - File.GetLastWriteTimeUtc(FailureOf(key.Name)) < FailurePause);

    /// <summary>Takes the files of <paramref name="folder"/> in, in one step, and makes room.</summary>
    /// <param name="folder">On the store's file system; holds memory, state and scratch of one moment. Gone afterwards.</param>
    public Snapshot Publish(SnapshotKey key, string folder)
    {
        var (memory, state) = Snapshot.FilesIn(folder);
        var scratch = Snapshot.ScratchIn(folder);
        var bytes = SparseFile.AllocatedBytes(memory) + SparseFile.AllocatedBytes(state) + SparseFile.AllocatedBytes(scratch);
        var now = time.GetUtcNow();
        Write(folder, new(key.Inputs, now, bytes, FileSeal.Of(memory, now), FileSeal.Of(state, now), FileSeal.Of(scratch, now)));
        var target = PathOf(key.Name);
        Delete(target);
        Directory.Move(folder, target);
        File.Delete(FailureOf(key.Name));
        Evict(except: key.Name);
        return Read(target) ?? throw new IOException($"{target} is gone again.");
    }

    /// <summary>Throws one away that a machine would not wake up from.</summary>
    public void Discard(SnapshotKey key, string why)
    {
        Delete(PathOf(key.Name));
        MarkFailed(key, why);
    }

    /// <summary>Remembers that no snapshot of this kind can be had for now.</summary>
    public void MarkFailed(SnapshotKey key, string why) => File.WriteAllText(FailureOf(key.Name), why + "\n");

    /// <summary>All, the last used first.</summary>
    public IReadOnlyList<Snapshot> List() =>
        [.. Directory.GetDirectories(Folder).Where(IsPublished).Select(Read).OfType<Snapshot>().OrderByDescending(static s => s.LastUsed)];

    /// <summary>Removes those whose names begin so; all for an empty beginning.</summary>
    public IReadOnlyList<Snapshot> Remove(string beginning)
    {
        var snapshots = List().Where(s => s.Name.StartsWith(beginning, StringComparison.Ordinal)).ToList();
        foreach (var snapshot in snapshots) Delete(snapshot.Folder);
        return snapshots;
    }

    /// <summary>Removes what no job can start from any more, unused ones beyond <see cref="MaxBytes"/>, and what crashes left.</summary>
    /// <param name="unusedFor">And those not used for so long.</param>
    public async Task<IReadOnlyList<Snapshot>> PruneAsync(TimeSpan unusedFor, CancellationToken cancellationToken)
    {
        await SweepAsync(cancellationToken);
        foreach (var folder in Directory.GetDirectories(Folder).Where(IsPublished))
            if (Read(folder) is null) Delete(folder);
        var stale = List().Where(s => time.GetUtcNow() - s.LastUsed > unusedFor || !s.Manifest.Inputs.All(IsAsItWas)).ToList();
        foreach (var snapshot in stale) Delete(snapshot.Folder);
        foreach (var marker in Directory.GetFiles(Folder, ".failed-*")) File.Delete(marker);
        return [.. stale, .. Evict(except: null)];
    }

    /// <summary>Removes what killed makers and removers left. Costs two directory listings when there is nothing.</summary>
    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        await BuildSite.SweepAsync(Folder, cancellationToken);
        foreach (var grave in Directory.GetDirectories(Folder, GravePrefix + "*")) Bury(grave);
    }

    private static bool IsPublished(string folder) => Path.GetFileName(folder)[0] != '.';

    /// <summary>Whether a file that a line of the key names is still there.</summary>
    private static bool IsAsItWas(string input)
    {
        var words = input.Split(' ');
        if (words.Length < 2 || !words[1].StartsWith('/')) return true;
        var file = new FileInfo(words[1]);
        return file.Exists && (words.Length < 4 || $"{file.Length} {file.LastWriteTimeUtc.Ticks}" == $"{words[2]} {words[3]}");
    }

    private List<Snapshot> Evict(string? except)
    {
        var kept = 0L;
        var evicted = new List<Snapshot>();
        foreach (var snapshot in List().OrderBy(s => s.Name == except ? 0 : 1))
        {
            kept += snapshot.Manifest.Bytes;
            if (kept <= MaxBytes || snapshot.Name == except) continue;
            Delete(snapshot.Folder);
            kept -= snapshot.Manifest.Bytes;
            evicted.Add(snapshot);
        }

        return evicted;
    }

    /// <returns>The manifest, with fresh seals where digests had to be looked at; null where a file is not what it was.</returns>
    private static SnapshotManifest? Check(Snapshot snapshot, DateTimeOffset now, out string harmed)
    {
        var (manifest, files) = (snapshot.Manifest, snapshot.Files);
        harmed = "state";
        if (manifest.State.Check(files.State, now) is not { } state || SparseFile.Digest(files.State) != state.Digest) return null;
        harmed = "scratch disk";
        if (manifest.Scratch.Check(snapshot.Scratch, now) is not { } scratch) return null;
        harmed = "memory";
        if (manifest.Memory.Check(files.Memory, now) is not { } memory) return null;
        return manifest with { State = state, Scratch = scratch, Memory = memory };
    }

    private static Snapshot? Read(string folder)
    {
        try
        {
            var path = Path.Combine(folder, ManifestName);
            var manifest = JsonSerializer.Deserialize(File.ReadAllBytes(path), SnapshotJson.Default.SnapshotManifest);
            if (manifest is not { Inputs: not null, Memory: not null, State: not null, Scratch: not null }) return null;
            return new(folder, manifest, File.GetLastWriteTimeUtc(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    private static void Write(string folder, SnapshotManifest manifest) =>
        AtomicFile.Write(Path.Combine(folder, ManifestName), JsonSerializer.SerializeToUtf8Bytes(manifest, SnapshotJson.Default.SnapshotManifest));

    private SnapshotFinding ThrowAway(string folder, string why)
    {
        Delete(folder);
        return new(null, why);
    }

    /// <summary>Out of sight by one rename, so that nobody finds it half removed; the sweep ends what is left in the middle.</summary>
    private void Delete(string folder)
    {
        var grave = Path.Combine(Folder, GravePrefix + Guid.NewGuid().ToString("n")[..8]);
        try
        {
            Directory.Move(folder, grave);
        }
        catch (DirectoryNotFoundException)
        {
            return; // Somebody else was quicker.
        }

        Bury(grave);
    }

    private static void Bury(string grave)
    {
        try
        {
            Directory.Delete(grave, recursive: true);
        }
        catch (IOException)
        {
            // Two at once; one of them gets to its end, or the next sweep does.
        }
    }

    private string PathOf(string name) => Path.Combine(Folder, name);

    private string FailureOf(string name) => Path.Combine(Folder, ".failed-" + name);
}

/// <param name="Snapshot">Unharmed; null where there is none.</param>
/// <param name="ThrownAway">Why the one that was there is no more.</param>
/// <param name="Shared">What copies share on this host, so that none is restored; see <see cref="CloneRecord"/>.</param>
internal sealed record SnapshotFinding(Snapshot? Snapshot, string? ThrownAway, string? Shared = null);

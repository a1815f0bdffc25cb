using System.Text.Json.Serialization;
using RunnerVm.Images;
using RunnerVm.Machines;

namespace RunnerVm.Snapshots;

/// <summary>One snapshot in the store.</summary>
/// <param name="Folder">Its folder, named by its key.</param>
/// <param name="LastUsed">When a machine was last restored from it, or it was made.</param>
internal sealed record Snapshot(string Folder, SnapshotManifest Manifest, DateTimeOffset LastUsed)
{
    public string Name => Path.GetFileName(Folder);

    public SnapshotFiles Files => FilesIn(Folder);

    /// <summary>The scratch disk of the moment; each copy needs one of its own.</summary>
    public string Scratch => ScratchIn(Folder);

    /// <summary>Starts a copy on that engine. Its scratch disk, a file that does not exist yet at the spec's path, is made meanwhile.</summary>
    /// <exception cref="MachineException">See <see cref="ISnapshottingEngine.RestoreAsync"/>.</exception>
    /// <exception cref="IOException">The scratch disk could not be copied.</exception>
    public async Task<Machine> RestoreAsync(ISnapshottingEngine engine, MachineSpec spec, CancellationToken cancellationToken)
    {
        var copying = SparseFile.BeginCopy(Scratch, spec.ScratchDiskPath);
        try
        {
            return await engine.RestoreAsync(spec, Files, copying, cancellationToken);
        }
        finally
        {
            // Whatever became of the engine, nobody writes to the run's folder any more.
            await copying.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public static SnapshotFiles FilesIn(string folder) => new(Path.Combine(folder, "memory"), Path.Combine(folder, "state"));

    public static string ScratchIn(string folder) => Path.Combine(folder, "scratch");
}

/// <summary>What manifest.json says; written last, so a folder without it is no snapshot.</summary>
/// <param name="Inputs">See <see cref="SnapshotKey.Inputs"/>.</param>
/// <param name="Bytes">Room the files take on the disk.</param>
internal sealed record SnapshotManifest(
    IReadOnlyList<string> Inputs, DateTimeOffset Created, long Bytes, FileSeal Memory, FileSeal State, FileSeal Scratch);

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(SnapshotManifest))]
internal sealed partial class SnapshotJson : JsonSerializerContext;

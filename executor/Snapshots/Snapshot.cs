using System.Text.Json.Serialization;
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

using System.Text.Json.Serialization;

namespace RunnerVm.Images.Runners;

/// <summary>One version of GitHub's official runner as a read-only disk of its own, apart from any job image.</summary>
/// <param name="Version">As in 2.336.0.</param>
/// <param name="Path">The erofs file.</param>
/// <param name="Released">When GitHub released it, or the date of its files where nobody said.</param>
/// <param name="Sha256">Of the archive it came from; null when it came from a folder.</param>
internal sealed record RunnerDisk(string Version, string Path, DateTimeOffset Released, string? Sha256, long Bytes)
{
    /// <summary>
    /// How long GitHub hands jobs to a version. It asks for no more than 30 days behind the newest release and has cut
    /// versions off about 90 days after theirs; a runner past that starts, and gets nothing.
    /// </summary>
    public static readonly TimeSpan Served = TimeSpan.FromDays(90);

    /// <summary>Whole days until GitHub probably cuts it off; negative once it probably has.</summary>
    public int DaysLeft(DateTimeOffset now) => (int)Math.Floor((Released + Served - now).TotalDays);
}

/// <summary>What lies beside a disk as JSON.</summary>
internal sealed record RunnerManifest(string Version, string File, DateTimeOffset Released, string? Sha256, long Bytes);

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(RunnerManifest))]
[JsonSerializable(typeof(IReadOnlyList<RunnerDisk>))]
internal sealed partial class RunnerJson : JsonSerializerContext;

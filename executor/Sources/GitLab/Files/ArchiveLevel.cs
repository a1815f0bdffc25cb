using System.IO.Compression;

namespace RunnerVm.Sources.GitLab.Files;

/// <summary>ARTIFACT_COMPRESSION_LEVEL and CACHE_COMPRESSION_LEVEL.</summary>
internal static class ArchiveLevel
{
    public static CompressionLevel Of(string? text) => text?.ToLowerInvariant() switch
    {
        "fastest" => CompressionLevel.NoCompression,
        "fast" => CompressionLevel.Fastest,
        "slow" or "slowest" => CompressionLevel.SmallestSize,
        _ => CompressionLevel.Optimal,
    };
}

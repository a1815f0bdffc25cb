using System.Text.Json.Serialization;

namespace RunnerVm.Sources.GitLab.Custom;

/// <summary>What <c>config</c> answers gitlab-runner.</summary>
internal sealed record DriverConfiguration
{
    public static DriverConfiguration Ours { get; } = new();

    [JsonPropertyName("builds_dir")]
    public string BuildsDir { get; } = GuestPaths.Builds;

    [JsonPropertyName("cache_dir")]
    public string CacheDir { get; } = GuestPaths.Cache;

    /// <summary>A machine is one job's: no two of them share a folder.</summary>
    [JsonPropertyName("builds_dir_is_shared")]
    public bool BuildsDirIsShared { get; }

    [JsonPropertyName("hostname")]
    public string Hostname { get; } = Environment.MachineName;

    [JsonPropertyName("driver")]
    public DriverName Driver { get; } = new("runnervm", Product.Version);
}

internal sealed record DriverName([property: JsonPropertyName("name")] string Name, [property: JsonPropertyName("version")] string Version);

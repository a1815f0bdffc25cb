using RunnerVm.Vmm.Monitor.Logging;

namespace RunnerVm.Vmm.Monitor.Configuration;

/// <summary>/logger. What is null stays as it is, but a missing level is Info.</summary>
internal sealed record LoggerConfiguration
{
    /// <summary>A file or named pipe instead of standard output.</summary>
    public string? LogPath { get; init; }

    public LogLevel? Level { get; init; }

    public bool? ShowLevel { get; init; }

    /// <summary>Shows which part of the monitor a line is from.</summary>
    public bool? ShowLogOrigin { get; init; }

    /// <summary>Only lines of the part whose name begins like this.</summary>
    public string? Module { get; init; }
}

/// <summary>/metrics</summary>
internal sealed record MetricsConfiguration
{
    /// <summary>A file or named pipe; a line of JSON for each flush.</summary>
    public required string MetricsPath { get; init; }

    public bool EmitId { get; init; }

    /// <summary>Text the operator wants on each line.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Properties { get; init; } = [];
}

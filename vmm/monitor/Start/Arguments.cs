namespace RunnerVm.Vmm.Monitor.Start;

/// <summary>What the program was started with; Firecracker's names and meanings.</summary>
internal sealed record Arguments
{
    public string Id { get; init; } = "anonymous-instance";

    public string ApiSocket { get; init; } = "/run/firecracker.socket";

    /// <summary>Nobody can ask anything of the machine; it needs a configuration file.</summary>
    public bool NoApi { get; init; }

    public string? ConfigFile { get; init; }

    /// <summary>A file with the metadata's first contents.</summary>
    public string? Metadata { get; init; }

    public bool BootTimer { get; init; }

    public bool NoSeccomp { get; init; }

    public string? LogPath { get; init; }

    public string? Level { get; init; }

    public string? Module { get; init; }

    public bool ShowLevel { get; init; }

    public bool ShowLogOrigin { get; init; }

    public string? MetricsPath { get; init; }

    /// <summary>Bytes.</summary>
    public int PayloadLimit { get; init; } = Api.ApiServer.DefaultPayload;

    /// <summary>Bytes; as the payload's where nothing is said.</summary>
    public int? MmdsLimit { get; init; }

    /// <summary>When whoever started us decided to, in microseconds of CLOCK_MONOTONIC.</summary>
    public long? StartTimeUs { get; init; }
}

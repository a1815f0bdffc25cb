namespace RunnerVm.Sources.GitHub.Rest;

/// <summary>What generate-jitconfig is sent. Octokit turns the names into snake_case.</summary>
internal sealed class JitRequest
{
    public required string Name { get; init; }

    /// <summary>Required by GitHub, whatever its pages say; 1 is the default group.</summary>
    public required long RunnerGroupId { get; init; }

    /// <summary>As sent: the defaults (self-hosted, Linux, X64) are not added.</summary>
    public required IReadOnlyList<string> Labels { get; init; }

    public required string WorkFolder { get; init; }
}

/// <summary>What it answers with.</summary>
internal sealed class JitAnswer
{
    public JitRunner? Runner { get; set; }

    /// <summary>A bearer secret, for one use.</summary>
    public string? EncodedJitConfig { get; set; }
}

/// <summary>The registration it made.</summary>
internal sealed class JitRunner
{
    public long Id { get; set; }

    public string? Name { get; set; }
}

namespace RunnerVm.Agents;

/// <summary>How much is kept of what the host says about jobs that are over. Whichever bound is met first counts.</summary>
internal sealed record LogLimits
{
    /// <summary>So many jobs.</summary>
    public int Jobs { get; init; } = 1000;

    /// <summary>So long after the last word.</summary>
    public TimeSpan Age { get; init; } = TimeSpan.FromDays(30);

    /// <summary>So much in all.</summary>
    public long Bytes { get; init; } = 1L << 30;
}

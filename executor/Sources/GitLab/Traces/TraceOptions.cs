namespace RunnerVm.Sources.GitLab.Traces;

/// <summary>How a job's log is written.</summary>
internal sealed record TraceOptions
{
    public const int DefaultLimitBytes = 4 << 20;

    /// <summary>What is kept of a log; the rest is swallowed with a notice.</summary>
    public long LimitBytes { get; init; } = DefaultLimitBytes;

    /// <summary>A time before each line; a job switches it off by <c>FF_TIMESTAMPS: "false"</c>.</summary>
    public bool Timestamps { get; init; } = true;

    /// <summary>Whether the server folds sections.</summary>
    public bool Sections { get; init; } = true;

    /// <summary>Values that may not be seen; more may follow by <see cref="JobTrace.Hide"/>.</summary>
    public IReadOnlyList<string> Hidden { get; init; } = [];

    /// <summary>The server's own beginnings of tokens.</summary>
    public IReadOnlyList<string> TokenPrefixes { get; init; } = [];
}

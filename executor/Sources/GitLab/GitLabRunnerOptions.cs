using RunnerVm.Sources.GitLab.Traces;
using RunnerVm.Sources.GitLab.Wire;

namespace RunnerVm.Sources.GitLab;

/// <summary>One runner of one GitLab instance, as configured.</summary>
internal sealed record GitLabRunnerOptions
{
    public required string Name { get; init; }

    public required GitLabServer Server { get; init; }

    /// <summary>The runner's own token (<c>glrt-…</c>). It never enters a guest, a log or the journal.</summary>
    public required string Token { get; init; }

    public required ImageRules Images { get; init; }

    /// <summary>Jobs of this runner at once; null: as many as the host takes.</summary>
    public int? Limit { get; init; }

    /// <summary>Between two questions for a job that brought nothing.</summary>
    public TimeSpan CheckInterval { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>What is kept of a job's log.</summary>
    public long LogLimitBytes { get; init; } = TraceOptions.DefaultLimitBytes;

    /// <summary>What getting a job's sources may take; null: as long as the job.</summary>
    public TimeSpan? GetSourcesTimeout { get; init; }

    /// <summary>Changes with anything that is configured; see <see cref="IForge.Fingerprint"/>.</summary>
    public string Fingerprint { get; init; } = "";

    /// <summary>Enough of the token to tell runners apart, not enough to use it.</summary>
    public string ShortToken => GitLabTokens.Short(Token);

    /// <summary>Never the token.</summary>
    public override string ToString() => $"{Name} at {Server.Url}";
}

internal static class GitLabTokens
{
    private const int ShortLength = 9;

    private static readonly string[] Prefixes = ["glrtr-", "glrt-", "glcbt-", "GR1348941"];

    /// <summary>The first characters behind the prefixes, as GitLab shows them too.</summary>
    public static string Short(string token)
    {
        if (Prefixes.FirstOrDefault(p => token.StartsWith(p, StringComparison.Ordinal)) is { } prefix) token = token[prefix.Length..];
        if (token is ['t', >= '1' and <= '3', '_', ..]) token = token[3..];
        return token[..Math.Min(ShortLength, token.Length)];
    }
}

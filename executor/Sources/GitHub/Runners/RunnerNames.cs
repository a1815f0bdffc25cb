namespace RunnerVm.Sources.GitHub.Runners;

/// <summary>Names of runners: people find the host in them, and we find ours.</summary>
internal static class RunnerNames
{
    /// <summary>GitHub takes 64 characters in all.</summary>
    private const int LongestHost = 40;

    /// <summary>What the names of this host's runners begin with.</summary>
    public static string Prefix(string host)
    {
        var plain = new string([.. host.Take(LongestHost).Select(static c => char.IsAsciiLetterOrDigit(c) ? char.ToLowerInvariant(c) : '-')]).Trim('-');
        return plain.Length == 0 ? "rvm-" : $"rvm-{plain}-";
    }

    /// <summary>The job a runner is to this host.</summary>
    public static string JobId(string runner) => $"gh-{runner[(runner.LastIndexOf('-') + 1)..]}";
}

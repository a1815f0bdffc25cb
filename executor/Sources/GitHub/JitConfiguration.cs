namespace RunnerVm.Sources.GitHub;

/// <summary>
/// What one official runner needs to take one job: minted right before its machine starts, for it goes stale within
/// minutes, and never used twice.
/// </summary>
/// <param name="RunnerId">GitHub's number of the registration.</param>
/// <param name="RunnerName">Unique in its scope.</param>
/// <param name="Encoded">A bearer secret: it goes over the stream into the runner's environment and nowhere else.</param>
internal sealed record JitConfiguration(long RunnerId, string RunnerName, string Encoded)
{
    /// <summary>Never the configuration: records print their members, and this one may end in a log.</summary>
    public override string ToString() => $"JitConfiguration {{ RunnerId = {RunnerId}, RunnerName = {RunnerName} }}";
}

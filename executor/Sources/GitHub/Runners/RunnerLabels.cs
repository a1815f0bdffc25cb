namespace RunnerVm.Sources.GitHub.Runners;

/// <summary>
/// What a runner that is registered by REST answers to. GitHub adds nothing to what is sent, so the three every self-hosted
/// runner has are added here.
/// </summary>
internal sealed class RunnerLabels
{
    private static readonly string[] Everywhere = ["self-hosted", "Linux", "X64"];

    private readonly HashSet<string> _set;

    public RunnerLabels(IEnumerable<string> own)
    {
        All = [.. Everywhere.Concat(own).Distinct(StringComparer.OrdinalIgnoreCase)];
        _set = new(All, StringComparer.OrdinalIgnoreCase);
    }

    public IReadOnlyList<string> All { get; }

    /// <summary>Whether a job that asks for these may land here: all of them are ours. A job without labels asks for nothing we know.</summary>
    public bool Cover(IReadOnlyList<string> asked) => asked.Count > 0 && asked.All(_set.Contains);
}

using RunnerVm.Machines;

namespace RunnerVm.Snapshots;

/// <summary>
/// What is remembered of the last trial of each engine's copies (<c>runnervm doctor --clones</c>), and for which program,
/// processor, kernel and agent it holds. Where copies were found to share what they must not, no machine is restored until
/// another trial says otherwise.
/// </summary>
internal sealed class CloneRecord(FactCache facts)
{
    private const string Safe = "safe";

    /// <summary>Of a snapshot's inputs those that have no say in whether its copies differ.</summary>
    private static readonly string[] Irrelevant = ["image", "cpus", "memory", "disk", "network"];

    /// <param name="shared">What copies share, in words; null where no two are alike.</param>
    public void Remember(string engine, SnapshotKey key, string? shared) => facts.Remember(NameOf(engine), KeyOf(key), shared ?? Safe);

    /// <summary>Whether a trial passed on this host with this engine, kernel and agent.</summary>
    public bool IsProven(string engine, SnapshotKey key) => facts.Recall(NameOf(engine), KeyOf(key)) == Safe;

    /// <summary>What copies share by the last trial; null where there was none or it passed.</summary>
    public string? Shared(string engine, SnapshotKey key) => facts.Recall(NameOf(engine), KeyOf(key)) is { } said and not Safe ? said : null;

    private static string NameOf(string engine) => $"clones-{engine}";

    private static string KeyOf(SnapshotKey key) => string.Join('\n', key.Inputs.Where(static i => !Irrelevant.Contains(i.Split(' ')[0])));
}

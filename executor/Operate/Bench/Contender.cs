namespace RunnerVm.Operate.Bench;

/// <summary>A way of running a shell line apart from this host: one of ours, or a tool people would use instead.</summary>
/// <param name="Name">For people: "qemu, restored".</param>
/// <param name="Command">From a shell script to the command line that runs it and passes its standard output on.</param>
/// <param name="Environment">Added to ours.</param>
/// <param name="SeesAll">Whether what it starts descends from its process, so that its memory can be found. podman's and docker's does not.</param>
/// <param name="SharesLoops">Whether it is started in another way but runs as one before it does, so that its loops say nothing new.</param>
internal sealed record Contender(
    string Name, Func<string, IReadOnlyList<string>> Command, IReadOnlyDictionary<string, string>? Environment = null, bool SeesAll = true, bool SharesLoops = false)
{
    /// <summary>Whether its processes are waited for by their parents, so that the time they took is known.</summary>
    public bool CountsCpu => SeesAll;
}

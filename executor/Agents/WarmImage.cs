using RunnerVm.Jobs;

namespace RunnerVm.Agents;

/// <summary>Machines an agent keeps waiting, of one kind.</summary>
/// <param name="Count">So many.</param>
internal sealed record WarmImage(string Image, MachineRequest Machine, NetworkRequest Network, int Count)
{
    /// <summary>Beside the image; what jobs of GitHub's have.</summary>
    public IReadOnlyList<JobDisk> Disks { get; init; } = [];

    /// <summary>A job that only says what machine it wants.</summary>
    public Job ToJob() => new() { Id = "warm", Name = "warm", Image = Image, Machine = Machine, Network = Network, Disks = Disks, Steps = [] };

    /// <summary>What has to wait for the jobs of some sources: those of GitHub's have its runner on a disk, which makes their machines another kind.</summary>
    /// <param name="runner">That disk; null: there is none on this host.</param>
    public static IReadOnlyList<WarmImage> For(AgentOptions options, JobDisk? runner)
    {
        var github = options.GitHub.SelectMany(static source => source.Runners).Select(static r => r.Machine).ToList();
        var gitlab = options.GitLab.SelectMany(static r => r.Images.Classes).ToList();
        var waiting = new List<WarmImage>();
        foreach (var image in options.Warm)
        {
            var forGitHub = runner is not null && github.Exists(image.IsFor);
            if (forGitHub) waiting.Add(image with { Disks = [runner!] });
            if (!forGitHub || gitlab.Exists(image.IsFor)) waiting.Add(image);
        }

        return waiting;
    }

    private bool IsFor(MachineClass machine) =>
        (machine.Image, machine.Request.Cpus, machine.Request.MemoryMib, machine.Request.DiskBytes, machine.Network.Kind == NetworkKind.None)
        == (Image, Machine.Cpus, Machine.MemoryMib, Machine.DiskBytes, Network.Kind == NetworkKind.None);
}

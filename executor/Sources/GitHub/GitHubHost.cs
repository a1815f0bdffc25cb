using RunnerVm.Jobs;
using Serilog;

namespace RunnerVm.Sources.GitHub;

/// <summary>What an agent lends to all its GitHub runners.</summary>
internal sealed record GitHubHost
{
    /// <summary>Lends the host to one job; each gets its own, because looking for a snapshot is remembered in it.</summary>
    public required Func<JobHost> Lend { get; init; }

    public required TimeProvider Time { get; init; }

    /// <summary>Told after each job whose machine started, so that the next of the kind may find a snapshot.</summary>
    public Action<JobHost, Job> MachineUsed { get; init; } = static (_, _) => { };

    /// <summary>Told of a job's start: by which entry it came, and how long it had been in the forge's queue.</summary>
    public Action<string, TimeSpan> JobStarted { get; init; } = static (_, _) => { };

    /// <summary>Told how each job ended.</summary>
    public Action<EndedJob> JobEnded { get; init; } = static _ => { };

    /// <summary>The newest version of GitHub's runner on this host; null where there is none.</summary>
    public required Func<RunnerSoftware?> Software { get; init; }

    public required GitHubJournal Journal { get; init; }

    public required ILogger Log { get; init; }
}

/// <summary>A version of GitHub's runner that machines can be given.</summary>
/// <param name="Version">As in 2.336.0.</param>
/// <param name="DaysLeft">Until GitHub probably hands it no more jobs; 0 and less: it does not.</param>
/// <param name="Disk">What a machine is given.</param>
internal sealed record RunnerSoftware(string Version, int DaysLeft, JobDisk Disk)
{
    /// <summary>Of its disk, and so the folder it is in.</summary>
    public const string DiskName = "actions-runner";
}

using RunnerVm.Jobs;
using Serilog;

namespace RunnerVm.Sources.GitLab;

/// <summary>What an agent lends to all its GitLab runners.</summary>
internal sealed record GitLabHost
{
    /// <summary>Lends the host to one job; each gets its own, because looking for a snapshot is remembered in it.</summary>
    public required Func<JobHost> Lend { get; init; }

    public required TimeProvider Time { get; init; }

    /// <summary>Told after each job whose machine started, so that the next of the kind may find a snapshot.</summary>
    public Action<JobHost, MachineClass> MachineUsed { get; init; } = static (_, _) => { };

    /// <summary>Told of a job's start: by which entry it came, and how long it had been in the forge's queue.</summary>
    public Action<string, TimeSpan> JobStarted { get; init; } = static (_, _) => { };

    /// <summary>Told how each job ended.</summary>
    public Action<EndedJob> JobEnded { get; init; } = static _ => { };

    public required GitLabJournal Journal { get; init; }

    /// <summary>Folder for logs on their way.</summary>
    public required string Traces { get; init; }

    /// <summary>Tells this host's agent from others with the same runner token.</summary>
    public required string SystemId { get; init; }

    public required ILogger Log { get; init; }

    /// <summary>How a job is run.</summary>
    public Func<GitLabAssignment, Task<GitLabOutcome>> Run { get; init; } = static assignment => new GitLabJobRun(assignment).RunAsync();
}

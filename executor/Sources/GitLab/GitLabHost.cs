using RunnerVm.Jobs;
using Serilog;

namespace RunnerVm.Sources.GitLab;

/// <summary>What an agent lends to all its GitLab runners.</summary>
internal sealed record GitLabHost
{
    public required JobHost Jobs { get; init; }

    public required GitLabJournal Journal { get; init; }

    /// <summary>Folder for logs on their way.</summary>
    public required string Traces { get; init; }

    /// <summary>Tells this host's agent from others with the same runner token.</summary>
    public required string SystemId { get; init; }

    public required ILogger Log { get; init; }

    /// <summary>How a job is run.</summary>
    public Func<GitLabAssignment, Task<GitLabOutcome>> Run { get; init; } = static assignment => new GitLabJobRun(assignment).RunAsync();

    public TimeProvider Time => Jobs.Time;
}

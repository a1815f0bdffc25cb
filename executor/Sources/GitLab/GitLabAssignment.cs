using RunnerVm.Jobs;
using RunnerVm.Sources.GitLab.Payload;
using RunnerVm.Sources.GitLab.Traces;
using RunnerVm.Sources.GitLab.Wire;

namespace RunnerVm.Sources.GitLab;

/// <summary>Everything one job of GitLab's is run with. The payload says what, the agent's configuration on what.</summary>
internal sealed record GitLabAssignment
{
    /// <summary>Unique on this host and safe in a file name; see <see cref="Job.Id"/>.</summary>
    public required string JobId { get; init; }

    public required JobResponse Payload { get; init; }

    /// <summary>The job's log. Owned by the caller.</summary>
    public required JobTrace Trace { get; init; }

    public required GitLabStop Stop { get; init; }

    /// <summary>The calls a job's own token opens.</summary>
    public required JobConnection Server { get; init; }

    public required JobHost Host { get; init; }

    /// <summary>Chosen from the configuration by the payload's image.</summary>
    public required MachineClass Machine { get; init; }

    public required RunnerFacts Runner { get; init; }

    /// <summary>What getting the sources may take; null: as long as the job.</summary>
    public TimeSpan? GetSourcesTimeout { get; init; }

    /// <summary>
    /// To be called once, when the machine has answered and before anything of the job runs: tells GitLab that it
    /// runs. False: GitLab no longer wants it; the job ends as <see cref="GitLabOutcome.Cancelled"/>.
    /// </summary>
    public required Func<Task<bool>> MachineReadyAsync { get; init; }
}

/// <summary>The runner a job came through, as its log and variables name it.</summary>
/// <param name="ShortToken">The token's first characters behind its prefix: tells runners apart and opens nothing.</param>
/// <param name="CaCertificates">What the job's git must trust to reach the server, as PEM; null: what its image trusts.</param>
internal sealed record RunnerFacts(string Name, string ShortToken, string SystemId, Uri ServerUrl, string? CaCertificates = null);

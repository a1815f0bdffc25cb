using RunnerVm.Jobs;
using RunnerVm.Sources.GitHub.Authentication;

namespace RunnerVm.Sources.GitHub;

/// <summary>One repository, organization or enterprise whose jobs are served, as configured.</summary>
internal sealed record GitHubSourceOptions
{
    public required string Name { get; init; }

    public required GitHubAddress Address { get; init; }

    public required GitHubCredential Credential { get; init; }

    public GitHubMode Mode { get; init; } = GitHubMode.ScaleSet;

    /// <summary>Runner group of the scale sets; null is the default one.</summary>
    public string? Group { get; init; }

    /// <summary>Looked at by polling; a scale set needs none named.</summary>
    public IReadOnlyList<GitHubScope.Repository> Repositories { get; init; } = [];

    /// <summary>Between two looks of polling.</summary>
    public TimeSpan CheckInterval { get; init; } = TimeSpan.FromSeconds(10);

    public required IReadOnlyList<GitHubRunnerOptions> Runners { get; init; }
}

/// <summary>One kind of runner of a source: what <c>runs-on</c> asks for it by, and the machine it is.</summary>
internal sealed record GitHubRunnerOptions
{
    /// <summary>Unique among all sources; for logs and the journal.</summary>
    public required string Name { get; init; }

    /// <summary>The first also names it to people.</summary>
    public required IReadOnlyList<string> Labels { get; init; }

    /// <summary>Unique in its group, and of this host alone: a set has one listener.</summary>
    public required string ScaleSet { get; init; }

    public required MachineClass Machine { get; init; }

    /// <summary>Changes with anything that is configured, of the source too; see <see cref="IForge.Fingerprint"/>.</summary>
    public string Fingerprint { get; init; } = "";

    /// <summary>Jobs at once; null: as many as the host takes.</summary>
    public int? Limit { get; init; }

    /// <summary>How long a runner may listen without getting a job. GitHub takes idle ones back after some minutes itself.</summary>
    public TimeSpan IdleLimit { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Bound on a machine's life. GitHub ends a job after six hours where its workflow says nothing else.</summary>
    public TimeSpan Lifetime { get; init; } = TimeSpan.FromHours(6.5);
}

/// <summary>How queued jobs are heard of.</summary>
internal enum GitHubMode
{
    /// <summary>GitHub says how many runners it needs and gives them their jobs.</summary>
    ScaleSet,

    /// <summary>Runs and jobs are looked at, for places without scale sets.</summary>
    Polling,
}

using System.Net;
using RunnerVm.Jobs;
using RunnerVm.Sources.GitHub;
using RunnerVm.Sources.GitLab;

namespace RunnerVm.Agents;

/// <summary>What <c>config/agent.yml</c> says, checked; <see cref="AgentFile"/> reads it.</summary>
internal sealed record AgentOptions
{
    public required AgentCapacity Capacity { get; init; }

    /// <summary>The engine all jobs run in. <c>auto</c> is the only word by which another one may stand in for it.</summary>
    public required string Engine { get; init; }

    public required Isolation Isolation { get; init; }

    /// <summary>Machines that wait for jobs of their kind.</summary>
    public IReadOnlyList<WarmImage> Warm { get; init; } = [];

    /// <summary>Two of the same want the same machines to wait.</summary>
    public string WarmFingerprint { get; init; } = "";

    /// <summary>What is kept of jobs that are over.</summary>
    public LogLimits Logs { get; init; } = new();

    public required IReadOnlyList<GitLabRunnerOptions> GitLab { get; init; }

    public required IReadOnlyList<GitHubSourceOptions> GitHub { get; init; }

    /// <summary>Where <c>/healthz</c> and <c>/metrics</c> answer; null: nowhere.</summary>
    public IPEndPoint? Listen { get; init; }
}

/// <param name="Jobs">Machines at once.</param>
/// <param name="Size">CPUs and memory all machines together may have.</param>
internal sealed record AgentCapacity(int Jobs, MachineSize Size);

using System.Net;

namespace RunnerVm.Sources.GitHub.ScaleSets;

/// <summary>A refusal of the scale set service, told apart by the name of the error it sent.</summary>
internal sealed class ServiceException(HttpStatusCode status, string? typeName, string message) : Exception(message)
{
    public HttpStatusCode Status => status;

    /// <inheritdoc cref="GitHubException.Activity"/>
    public string? Activity { get; init; }

    /// <summary>The name is taken by another runner.</summary>
    public bool RunnerExists => Is("AgentExistsException");

    /// <summary>GitHub no longer has the runner.</summary>
    public bool RunnerIsGone => Is("AgentNotFoundException");

    /// <summary>It works, and keeps its registration until its job is over.</summary>
    public bool RunnerIsBusy => Is("JobStillRunningException");

    /// <summary>Somebody else listens, or the session of a listener that died is not over yet.</summary>
    public bool SessionIsTaken => Is("SessionConflictException") || (status == HttpStatusCode.Conflict && !RunnerExists);

    /// <summary>Somebody removed the set.</summary>
    public bool ScaleSetIsGone => Is("RunnerScaleSetNotFoundException");

    /// <summary>The token is over or taken back.</summary>
    public bool TokenIsOver => status == HttpStatusCode.Unauthorized;

    private bool Is(string name) => typeName?.Contains(name, StringComparison.Ordinal) ?? false;
}

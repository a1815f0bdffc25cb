namespace RunnerVm.Sources.GitHub;

/// <summary>What GitHub, or the way to it, refused. The message is for people: what was attempted, on what, why it failed, what to do.</summary>
internal sealed class GitHubException : Exception
{
    public GitHubException(GitHubFault fault, string message, Exception? cause = null)
        : base(message, cause) => Fault = fault;

    public GitHubFault Fault { get; }

    /// <summary>GitHub named a moment before which it wants to hear nothing; null when it did not.</summary>
    public DateTimeOffset? RetryAt { get; init; }

    /// <summary>What GitHub calls this refusal in its own logs; apart from the message, which is the same for the same trouble.</summary>
    public string? Activity { get; init; }

    /// <summary>Time may mend it, without anybody changing anything.</summary>
    public bool IsTransient => Fault is GitHubFault.Unavailable or GitHubFault.RateLimited or GitHubFault.Garbled;
}

/// <summary>What kind of refusal it was. Closed: whoever catches decides by it.</summary>
internal enum GitHubFault
{
    /// <summary>The key, token or app is not accepted.</summary>
    Unauthorized,

    /// <summary>Accepted, but not allowed to do this.</summary>
    Forbidden,

    /// <summary>Not there, or hidden from this token: GitHub does not tell which.</summary>
    NotFound,

    /// <summary>It is there already, or in use.</summary>
    Conflict,

    /// <summary>The request itself is wrong.</summary>
    Invalid,

    /// <summary>Too many requests; see <see cref="GitHubException.RetryAt"/>.</summary>
    RateLimited,

    /// <summary>No answer, or one that says to come back later.</summary>
    Unavailable,

    /// <summary>An answer that is not what was agreed on.</summary>
    Garbled,
}

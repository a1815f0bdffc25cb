namespace RunnerVm.Sources.GitHub;

/// <summary>How a runner's one life ended, as far as its work knows. Closed.</summary>
internal abstract record RunnerEnding
{
    private RunnerEnding()
    {
    }

    /// <summary>It had its job and left by itself.</summary>
    /// <param name="Result">Succeeded, Failed, Canceled; null where it did not say.</param>
    /// <param name="Exhaustion">What of the machine ran out meanwhile; null: nothing.</param>
    internal sealed record HadJob(string? Result, string? Exhaustion = null) : RunnerEnding;

    /// <summary>Nobody waited for it any more, or no job came in its time. Normal.</summary>
    internal sealed record NotNeeded(string Why) : RunnerEnding;

    /// <summary>GitHub did not register it.</summary>
    internal sealed record NotRegistered(GitHubException Refusal) : RunnerEnding;

    /// <summary>Its machine was there, and it never listened for a job.</summary>
    internal sealed record NeverListened(string Why) : RunnerEnding;

    /// <summary>GitHub hands no jobs to this version.</summary>
    internal sealed record TooOld : RunnerEnding;

    /// <summary>It left in the middle of its job.</summary>
    internal sealed record LeftJob(string Why) : RunnerEnding;
}

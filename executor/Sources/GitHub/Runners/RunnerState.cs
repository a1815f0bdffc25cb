namespace RunnerVm.Sources.GitHub.Runners;

/// <summary>Where one runner is in its one life. Only forward.</summary>
internal enum RunnerState
{
    /// <summary>Wanted; it has neither registration nor machine yet.</summary>
    Beginning,

    /// <summary>Registered, its machine starts.</summary>
    Booting,

    /// <summary>"Listening for Jobs": GitHub may give it one at any moment.</summary>
    Listening,

    /// <summary>It runs its job.</summary>
    Busy,

    /// <summary>Its machine is gone.</summary>
    Ended,
}

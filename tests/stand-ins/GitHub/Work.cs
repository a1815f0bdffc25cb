namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>What a job does, as its workflow file says it. A value that is <c>${{ … }}</c> as a whole is an expression.</summary>
public sealed record StandInWork
{
    public required IReadOnlyList<StandInStep> Steps { get; init; }

    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Of its repository: there for expressions (<c>secrets.NAME</c>), and masked.</summary>
    public IReadOnlyDictionary<string, string> Secrets { get; init; } = new Dictionary<string, string>();

    public IReadOnlyDictionary<string, string> Outputs { get; init; } = new Dictionary<string, string>();
}

/// <summary>A <c>run:</c> step.</summary>
/// <param name="Name">As the page shows it.</param>
/// <param name="If">Its condition, an expression without braces.</param>
/// <param name="Id">For <c>steps.ID.outputs</c>; null: it has none.</param>
public sealed record StandInStep(string Name, string Script, string If = "success()", string? Id = null)
{
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>A folder of the workspace with an action in it, which is run instead of the script; null: the script.</summary>
    public string? Uses { get; init; }
}

/// <summary>What a job's runner told of one step.</summary>
/// <param name="Number">Its place on the page, from 1; the runner's own steps count.</param>
/// <param name="Conclusion">succeeded, failed, skipped, canceled; null before its end.</param>
public sealed record StandInStepResult(string Id, int Number, string Name, string? Conclusion);

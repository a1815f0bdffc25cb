namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>A workflow run: its jobs decide its state.</summary>
public sealed class StandInRun
{
    public required long Id { get; init; }

    /// <summary>OWNER/NAME.</summary>
    public required string Repository { get; init; }

    public List<StandInJob> Jobs { get; } = [];

    public string Status => Jobs.TrueForAll(static j => j.Status == "completed") ? "completed"
        : Jobs.Exists(static j => j.Status is "in_progress" or "completed") ? "in_progress"
        : Jobs[0].Status;
}

/// <summary>One job of a run.</summary>
public sealed class StandInJob
{
    public required long Id { get; init; }

    public required StandInRun Run { get; init; }

    public required string Name { get; init; }

    public required IReadOnlyList<string> Labels { get; init; }

    public required DateTimeOffset Created { get; init; }

    public required StandInWork Work { get; init; }

    /// <summary>What its last step does; all of it where there is one.</summary>
    public string Script => Work.Steps[^1].Script;

    /// <summary>queued, waiting, in_progress, completed.</summary>
    public string Status { get; set; } = "queued";

    /// <summary>success, failure, cancelled, or null.</summary>
    public string? Conclusion { get; set; }

    /// <summary>Who runs or ran it.</summary>
    public StandInRunner? Runner { get; set; }

    /// <summary>Handed to a runner so often: more than once is a job run twice.</summary>
    public int Starts { get; set; }

    /// <summary>Its runner said so often that it still has it.</summary>
    public int Renewals { get; set; }

    /// <summary>Of all its steps, as its runner uploaded it.</summary>
    public string Log => Blobs.GetValueOrDefault("job") ?? "";

    /// <summary>As its runner told them, in their order.</summary>
    public IReadOnlyList<StandInStepResult> Steps { get; set; } = [];

    public IReadOnlyDictionary<string, string> Outputs { get; set; } = new Dictionary<string, string>();

    /// <summary>What was uploaded: "job", a step's id, "summary-" and a step's id, "diagnostics".</summary>
    internal Dictionary<string, string> Blobs { get; } = [];

    /// <summary>Somebody pressed the button; its runner hears of it at the next poll.</summary>
    public bool CancelAsked { get; set; }

    /// <summary>Name of the scale set it was given to, or null.</summary>
    public string? ScaleSetName => ScaleSet?.Name;

    internal StandInScaleSet? ScaleSet { get; set; }

    internal long RequestId { get; init; }

    internal Guid JobGuid { get; } = Guid.NewGuid();

    internal Guid PlanGuid { get; } = Guid.NewGuid();
}

/// <summary>A registration; an ephemeral one, gone with its job.</summary>
public sealed class StandInRunner
{
    public required long Id { get; init; }

    public required string Name { get; init; }

    /// <summary><c>orgs/acme</c>, <c>repos/acme/app</c>.</summary>
    public required string Scope { get; init; }

    public required IReadOnlyList<string> Labels { get; init; }

    public long GroupId { get; init; } = 1;

    /// <summary>It has polled for a job.</summary>
    public bool Online { get; set; }

    /// <summary>What it says of its version when it opens its session.</summary>
    public string? Version { get; set; }

    /// <summary>It was removed, by its job's end or by somebody.</summary>
    public bool Removed { get; set; }

    public StandInJob? Job { get; set; }

    public bool Busy => Job is { Status: not "completed" };

    internal StandInScaleSet? ScaleSet { get; init; }

    /// <summary>Who knows it is the runner.</summary>
    internal Guid ClientId { get; } = Guid.NewGuid();

    internal Guid? Session { get; set; }

    internal long Heard { get; set; } = Environment.TickCount64;
}

/// <summary>A scale set and the queue of its one session.</summary>
public sealed class StandInScaleSet
{
    public required long Id { get; init; }

    public required string Name { get; set; }

    public required long GroupId { get; set; }

    public IReadOnlyList<string> Labels { get; set; } = [];

    public bool DisableUpdate { get; set; }

    public bool Deleted { get; set; }

    /// <summary>Null: nobody listens.</summary>
    public StandInSession? Session { get; set; }

    /// <summary>What the last poll said this set's host can take.</summary>
    public int Capacity { get; set; }

    internal long Heard { get; set; }

    internal Queue<StandInMessage> Messages { get; } = new();

    internal List<string> PendingEntries { get; } = [];

    internal HashSet<StandInJob> Offered { get; } = [];

    internal long LastMessage { get; set; }
}

/// <summary>A check with one annotation.</summary>
/// <param name="Path">The file it stands at.</param>
public sealed record StandInCheck(string Repository, string Name, string Commit, string Conclusion, string Path, string Message);

/// <summary>Who listens to a scale set.</summary>
public sealed record StandInSession(Guid Id, string Owner);

/// <summary>A message that waits to be acknowledged.</summary>
internal sealed class StandInMessage
{
    public required long Id { get; init; }

    /// <summary>Entries as JSON objects.</summary>
    public required IReadOnlyList<string> Entries { get; init; }

    /// <summary>It was acknowledged, and comes once more for the knob's sake.</summary>
    public bool Again { get; set; }
}

namespace RunnerVm.Jobs;

/// <summary>
/// One job, wherever it came from: what to run, in which image, on how much machine, with which secrets.
/// Sources produce it, <see cref="JobRun"/> runs it; nothing in it is specific to a forge or an engine.
/// </summary>
internal sealed record Job
{
    /// <summary>Unique on this host, safe in a file name: lower-case letters, digits and dashes.</summary>
    public required string Id { get; init; }

    /// <summary>What people call it; shown in the log, never used as a path.</summary>
    public required string Name { get; init; }

    /// <summary>A recipe below <c>job-images/</c>, for example <c>debian-12</c>.</summary>
    public required string Image { get; init; }

    /// <summary>Steps in order; the first failure decides the job's outcome.</summary>
    public required IReadOnlyList<Step> Steps { get; init; }

    /// <summary>Plain variables every step sees.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Variables every step sees and no log may show.</summary>
    public IReadOnlyList<Secret> Secrets { get; init; } = [];

    /// <summary>What is copied into the guest's working directory, or null for an empty one.</summary>
    public Workspace? Workspace { get; init; }

    /// <summary>What is handed out at the end, or null for nothing.</summary>
    public ArtifactRequest? Artifacts { get; init; }

    /// <summary>The machine the job asks for.</summary>
    public MachineRequest Machine { get; init; } = new();

    /// <summary>Read-only disks the machine has beside its image.</summary>
    public IReadOnlyList<JobDisk> Disks { get; init; } = [];

    /// <summary>What the job may reach outside its machine.</summary>
    public NetworkRequest Network { get; init; } = NetworkRequest.OpenInternet;

    /// <summary>A command in the guest's PATH whose calls the job's work answers (<see cref="IJobWork.ServeAsync"/>); null for none.</summary>
    public string? ErrandCommand { get; init; }

    /// <summary>Name of the job's folder below <c>runs/</c>, where somebody else must find it; null for one by chance.</summary>
    public string? RunFolder { get; init; }

    /// <summary>Bound on everything from the machine's start to the last step's end.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromHours(1);
}

/// <summary>One script run by one shell in the guest.</summary>
internal sealed record Step
{
    /// <summary>Shown in the log.</summary>
    public required string Name { get; init; }

    /// <summary>The script's whole text.</summary>
    public required string Script { get; init; }

    /// <summary>
    /// <c>bash</c>, <c>sh</c>, <c>python</c>, or a command line in which <c>{0}</c> stands for the script's path;
    /// null means bash where the image has it, else sh.
    /// </summary>
    public string? Shell { get; init; }

    /// <summary>Added to, and winning over, the job's variables.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Absolute, or relative to the workspace; null is the workspace itself.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>When it runs, given how the steps before it went.</summary>
    public StepCondition Condition { get; init; } = StepCondition.Success;

    /// <summary>A failure of this step does not fail the job.</summary>
    public bool ContinueOnError { get; init; }

    /// <summary>Bound on this step alone; null leaves only the job's.</summary>
    public TimeSpan? Timeout { get; init; }
}

/// <summary>How the steps before it must have gone for a step to run.</summary>
internal enum StepCondition
{
    Success,
    Failure,
    Always,
}

/// <summary>A value that goes from its source to guest memory and nowhere else.</summary>
internal sealed record Secret(string Name, string Value)
{
    /// <summary>Never the value: records print their members, and this one may end in a log.</summary>
    public override string ToString() => $"Secret {{ Name = {Name} }}";
}

/// <summary>A folder on the host that is copied into the guest.</summary>
/// <param name="Path">Absolute path on the host.</param>
/// <param name="Everything">False: inside a git repository only what git tracks or does not ignore. True: all of it.</param>
internal sealed record Workspace(string Path, bool Everything = false);

/// <summary>What leaves the guest at the end.</summary>
internal sealed record ArtifactRequest
{
    /// <summary>Globs relative to the workspace (<c>*</c>, <c>?</c>, <c>**</c>); a folder stands for all in it.</summary>
    public required IReadOnlyList<string> Paths { get; init; }

    /// <summary>Globs taken out again.</summary>
    public IReadOnlyList<string> Exclude { get; init; } = [];

    /// <summary>After which outcomes they are collected.</summary>
    public StepCondition When { get; init; } = StepCondition.Success;
}

/// <summary>The machine a job asks for.</summary>
internal sealed record MachineRequest
{
    public int Cpus { get; init; } = 1;

    public int MemoryMib { get; init; } = 1024;

    /// <summary>Virtual size of the scratch disk; the host spends only what is written.</summary>
    public long DiskBytes { get; init; } = 20L << 30;

    /// <summary>An engine's name (<c>vmm</c>, <c>firecracker</c>, <c>qemu</c>, <c>gvisor</c>) or <c>auto</c>.</summary>
    public string Engine { get; init; } = "auto";

    /// <summary>What must hold whichever engine runs it, where somebody said so.</summary>
    public Isolation? AskedIsolation { get; init; }

    /// <summary>What must hold: a kernel of its own unless told otherwise; who names gVisor has told otherwise.</summary>
    public Isolation Isolation => AskedIsolation ?? (Engine == "gvisor" ? Isolation.Process : Isolation.Kernel);

    /// <summary>Path of an uncompressed ELF kernel on the host, or null for the distribution's.</summary>
    public string? KernelPath { get; init; }
}

/// <summary>What stands between the job and the host.</summary>
internal enum Isolation
{
    /// <summary>A kernel of its own (<c>kernel-level</c>).</summary>
    Kernel,

    /// <summary>A sandboxed process is enough (<c>process-level</c>).</summary>
    Process,
}

/// <summary>What a job may reach. Rules are kept as written; Egress compiles them.</summary>
/// <param name="Kind">Off, filtered, or a real interface.</param>
/// <param name="Allow">Null: everything public. Otherwise only these (<c>github.com</c>, <c>*.debian.org:443</c>, <c>10.0.0.0/8:5432</c>, <c>host:8080</c>), in addition to nothing.</param>
/// <param name="Deny">Wins over <paramref name="Allow"/>.</param>
/// <param name="AuditOnly">Log what would be denied by the lists, let it through. Host, private and metadata addresses stay shut.</param>
internal sealed record NetworkRequest(
    NetworkKind Kind, IReadOnlyList<string>? Allow = null, IReadOnlyList<string>? Deny = null, bool AuditOnly = false)
{
    /// <summary>The default of <c>exec</c>: public addresses over TCP and DNS, nothing of the host or its networks.</summary>
    public static NetworkRequest OpenInternet { get; } = new(NetworkKind.Filtered);
}

internal enum NetworkKind
{
    None,
    Filtered,
}

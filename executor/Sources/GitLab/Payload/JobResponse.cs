using System.Text.Json;
using System.Text.Json.Serialization;

namespace RunnerVm.Sources.GitLab.Payload;

/// <summary>
/// A job as GitLab hands it over (201 of <c>POST /jobs/request</c>). Fields we do not know are ignored, a missing or
/// null list is an empty one, and a field of the wrong type is refused by its name (<see cref="JobResponseReader"/>).
/// </summary>
internal sealed record JobResponse
{
    public long Id { get; init; }

    /// <summary>The job's own token: the log, artifacts, git. The only token that ever enters a guest.</summary>
    public string Token { get; init => field = value ?? ""; } = "";

    /// <summary>What GIT_STRATEGY is where the job says nothing: fetch, else clone.</summary>
    public bool AllowGitFetch { get; init; }

    public JobInfo JobInfo { get; init => field = value ?? new(); } = new();

    public GitInfo GitInfo { get; init => field = value ?? new(); } = new();

    public RunnerInfo RunnerInfo { get; init => field = value ?? new(); } = new();

    /// <summary>In order; the last of a name wins.</summary>
    public IReadOnlyList<JobVariable> Variables { get; init => field = value ?? []; } = [];

    public IReadOnlyList<JobStep> Steps { get; init => field = value ?? []; } = [];

    public JobImage? Image { get; init; }

    public IReadOnlyList<JobImage> Services { get; init => field = value ?? []; } = [];

    public IReadOnlyList<JobArtifacts> Artifacts { get; init => field = value ?? []; } = [];

    public IReadOnlyList<JobCache> Cache { get; init => field = value ?? []; } = [];

    public IReadOnlyList<JobCredentials> Credentials { get; init => field = value ?? []; } = [];

    public IReadOnlyList<JobDependency> Dependencies { get; init => field = value ?? []; } = [];

    public JobFeatures Features { get; init => field = value ?? new(); } = new();

    /// <summary>Names of variables whose values an external vault holds. We advertise none, so GitLab should send none.</summary>
    public IReadOnlyDictionary<string, JsonElement> Secrets { get; init => field = value ?? NoSecrets; } = NoSecrets;

    public IReadOnlyList<JobHook> Hooks { get; init => field = value ?? []; } = [];

    public IReadOnlyList<JobInput> Inputs { get; init => field = value ?? []; } = [];

    /// <summary>The <c>run:</c> keyword: a JSON text of steps, not an array.</summary>
    public string? Run { get; init; }

    private static readonly IReadOnlyDictionary<string, JsonElement> NoSecrets = new Dictionary<string, JsonElement>();
}

internal sealed record JobInfo
{
    public string Name { get; init => field = value ?? ""; } = "";

    public string Stage { get; init => field = value ?? ""; } = "";

    public long PipelineId { get; init; }

    public long ProjectId { get; init; }

    public string ProjectName { get; init => field = value ?? ""; } = "";

    public string ProjectFullPath { get; init => field = value ?? ""; } = "";

    public long NamespaceId { get; init; }

    public long RootNamespaceId { get; init; }

    public long UserId { get; init; }

    public double TimeInQueueSeconds { get; init; }

    /// <summary>A text by design: "0", "3", "N+", "+Inf".</summary>
    [JsonConverter(typeof(TextOrNumber))]
    public string? ProjectJobsRunningOnInstanceRunnersCount { get; init; }
}

internal sealed record GitInfo
{
    /// <summary>With user and token in it: never shown.</summary>
    public string RepoUrl { get; init => field = value ?? ""; } = "";

    /// <summary><c>sha1</c> or <c>sha256</c>.</summary>
    public string RepoObjectFormat { get; init => field = string.IsNullOrEmpty(value) ? "sha1" : value; } = "sha1";

    public string Ref { get; init => field = value ?? ""; } = "";

    public string Sha { get; init => field = value ?? ""; } = "";

    public string BeforeSha { get; init => field = value ?? ""; } = "";

    /// <summary><c>branch</c> or <c>tag</c>.</summary>
    public string RefType { get; init => field = value ?? ""; } = "";

    public IReadOnlyList<string> Refspecs { get; init => field = value ?? []; } = [];

    /// <summary>0: all of the history.</summary>
    public int Depth { get; init; }

    /// <summary>Null on servers that do not say.</summary>
    public bool? Protected { get; init; }
}

internal sealed record RunnerInfo
{
    private const int DefaultTimeoutSeconds = 7200;

    /// <summary>Bound on the whole job, as sent; zero or less means the default.</summary>
    [JsonPropertyName("timeout")]
    public int TimeoutSeconds { get; init; }

    [JsonIgnore]
    public TimeSpan Timeout => TimeSpan.FromSeconds(TimeoutSeconds > 0 ? TimeoutSeconds : DefaultTimeoutSeconds);
}

/// <param name="File">The variable holds a path, and the value is the file's content.</param>
/// <param name="Raw">Never expanded.</param>
internal sealed record JobVariable(string Key, string Value, bool Public, bool File, bool Masked, bool Raw)
{
    public string Key { get; init => field = value ?? ""; } = Key ?? "";

    public string Value { get; init => field = value ?? ""; } = Value ?? "";

    /// <summary>Never the value.</summary>
    public override string ToString() => $"JobVariable {{ Key = {Key} }}";
}

/// <summary>One script. The server has merged before_script into <c>script</c>; <c>after_script</c> is special by its name.</summary>
internal sealed record JobStep
{
    public string Name { get; init => field = value ?? ""; } = "";

    public IReadOnlyList<string> Script { get; init => field = value ?? []; } = [];

    /// <summary>Seconds; 0 means none.</summary>
    public int Timeout { get; init; }

    /// <summary><c>on_success</c>, <c>on_failure</c> or <c>always</c>.</summary>
    public string When { get; init => field = value ?? ""; } = "";

    public bool AllowFailure { get; init; }
}

/// <summary>An image, or a service, which has the same form.</summary>
internal sealed record JobImage
{
    public string Name { get; init => field = value ?? ""; } = "";

    /// <summary>May hold several names between spaces or commas.</summary>
    public string? Alias { get; init; }

    public IReadOnlyList<string> Command { get; init => field = value ?? []; } = [];

    public IReadOnlyList<string> Entrypoint { get; init => field = value ?? []; } = [];

    public IReadOnlyList<JobVariable> Variables { get; init => field = value ?? []; } = [];

    public IReadOnlyList<string> PullPolicy { get; init => field = value ?? []; } = [];

    public ImageExecutorOptions? ExecutorOpts { get; init; }
}

/// <summary>The one place where a key we do not know is an error: it would change how the job is isolated.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record ImageExecutorOptions
{
    public DockerOptions? Docker { get; init; }

    public KubernetesOptions? Kubernetes { get; init; }
}

[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record DockerOptions
{
    public string? Platform { get; init; }

    [JsonConverter(typeof(TextOrNumber))]
    public string? User { get; init; }
}

[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record KubernetesOptions
{
    [JsonConverter(typeof(TextOrNumber))]
    public string? User { get; init; }
}

/// <summary>What is to be uploaded: one entry for the archive and one for each report.</summary>
internal sealed record JobArtifacts
{
    public string? Name { get; init; }

    public bool Untracked { get; init; }

    public IReadOnlyList<string> Paths { get; init => field = value ?? []; } = [];

    public IReadOnlyList<string> Exclude { get; init => field = value ?? []; } = [];

    /// <summary>Empty, <c>on_success</c>, <c>on_failure</c> or <c>always</c>.</summary>
    public string When { get; init => field = value ?? ""; } = "";

    public string? ArtifactType { get; init; }

    /// <summary>Empty (zip), <c>zip</c>, <c>gzip</c> or <c>raw</c>.</summary>
    public string? ArtifactFormat { get; init; }

    /// <summary>A human duration, passed through as it is.</summary>
    public string? ExpireIn { get; init; }
}

internal sealed record JobCache
{
    public string Key { get; init => field = value ?? ""; } = "";

    public bool Untracked { get; init; }

    /// <summary>Empty or <c>pull-push</c>, <c>pull</c>, <c>push</c>; may hold variables.</summary>
    public string Policy { get; init => field = value ?? ""; } = "";

    public IReadOnlyList<string> Paths { get; init => field = value ?? []; } = [];

    public string When { get; init => field = value ?? ""; } = "";

    public IReadOnlyList<string> FallbackKeys { get; init => field = value ?? []; } = [];
}

internal sealed record JobCredentials
{
    public string Type { get; init => field = value ?? ""; } = "";

    public string Url { get; init => field = value ?? ""; } = "";

    public string Username { get; init => field = value ?? ""; } = "";

    public string Password { get; init => field = value ?? ""; } = "";

    /// <summary>Never the password.</summary>
    public override string ToString() => $"JobCredentials {{ Url = {Url} }}";
}

/// <summary>An earlier job whose archive this one wants.</summary>
internal sealed record JobDependency
{
    public long Id { get; init; }

    public string Name { get; init => field = value ?? ""; } = "";

    /// <summary>What opens that job's archive.</summary>
    public string Token { get; init => field = value ?? ""; } = "";

    /// <summary>Null when it left none.</summary>
    public DependencyFile? ArtifactsFile { get; init; }

    /// <summary>Never the token.</summary>
    public override string ToString() => $"JobDependency {{ Id = {Id}, Name = {Name} }}";
}

internal sealed record DependencyFile
{
    public string Filename { get; init => field = value ?? ""; } = "";

    public long Size { get; init; }
}

internal sealed record JobFeatures
{
    public bool TraceSections { get; init; }

    public IReadOnlyList<string> TokenMaskPrefixes { get; init => field = value ?? []; } = [];

    /// <summary>The failure reasons this server knows besides the three it always does.</summary>
    public IReadOnlyList<string> FailureReasons { get; init => field = value ?? []; } = [];
}

/// <summary><c>pre_get_sources_script</c> or <c>post_get_sources_script</c>.</summary>
internal sealed record JobHook
{
    public string Name { get; init => field = value ?? ""; } = "";

    public IReadOnlyList<string> Script { get; init => field = value ?? []; } = [];
}

/// <summary>We do not advertise job inputs; that there are some is all that is read.</summary>
internal sealed record JobInput
{
    public string Key { get; init => field = value ?? ""; } = "";
}

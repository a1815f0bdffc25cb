using System.Text.Json.Serialization;

namespace RunnerVm.Sources.GitHub.ScaleSets;

/// <summary>A set of runners as the service knows it: a name, labels, and jobs assigned to it.</summary>
internal sealed record ScaleSet
{
    public int Id { get; init; }

    public string Name { get; init; } = "";

    public long RunnerGroupId { get; init; } = 1;

    public IReadOnlyList<ScaleSetLabel>? Labels { get; init; }

    /// <summary>The service spells this one with a capital.</summary>
    [JsonPropertyName("RunnerSetting")]
    public ScaleSetRunnerSetting? RunnerSetting { get; init; }
}

/// <summary>A label; ours are all of type System.</summary>
internal sealed record ScaleSetLabel(string Name, string Type = "System");

/// <param name="DisableUpdate">The runner comes from a disk that nobody writes: it must not try to replace itself.</param>
internal sealed record ScaleSetRunnerSetting(bool DisableUpdate);

/// <summary>Who listens to a set, where its messages are, and the token for them.</summary>
internal sealed record ScaleSetSession
{
    public Guid SessionId { get; init; }

    /// <summary>To be used as it stands; empty when the service is unwell.</summary>
    public string? MessageQueueUrl { get; init; }

    public string? MessageQueueAccessToken { get; init; }

    public ScaleSetStatistics? Statistics { get; init; }
}

/// <summary>Counts of a set's jobs and runners. They decide how many runners there should be; single messages do not.</summary>
internal sealed record ScaleSetStatistics
{
    public int TotalAvailableJobs { get; init; }

    /// <summary>Waiting for a runner of this set, and running on one.</summary>
    public int TotalAssignedJobs { get; init; }

    public int TotalRunningJobs { get; init; }

    public int TotalRegisteredRunners { get; init; }

    public int TotalBusyRunners { get; init; }

    public int TotalIdleRunners { get; init; }
}

/// <summary>What a poll brings.</summary>
internal sealed record ScaleSetMessage
{
    public const string JobMessages = "RunnerScaleSetJobMessages";

    public long MessageId { get; init; }

    public string? MessageType { get; init; }

    public ScaleSetStatistics? Statistics { get; init; }

    /// <summary>Entries, as JSON in a string; may be empty.</summary>
    public string? Body { get; init; }
}

/// <summary>One thing that happened to one job. Of unknown types only the type is of use, and they are skipped.</summary>
internal sealed record ScaleSetJobEntry
{
    public string? MessageType { get; init; }

    public long RunnerRequestId { get; init; }

    public string? JobId { get; init; }

    public string? OwnerName { get; init; }

    public string? RepositoryName { get; init; }

    public string? JobWorkflowRef { get; init; }

    public string? JobDisplayName { get; init; }

    public long WorkflowRunId { get; init; }

    public string? EventName { get; init; }

    public DateTimeOffset? QueueTime { get; init; }

    /// <summary>Of JobStarted and JobCompleted.</summary>
    public string? RunnerName { get; init; }

    /// <summary>Of JobCompleted: succeeded, failed, canceled and what may come.</summary>
    public string? Result { get; init; }
}

/// <summary>What a new runner needs, as the service answers it.</summary>
internal sealed record ScaleSetJit(ScaleSetAgent? Runner, [property: JsonPropertyName("encodedJITConfig")] string? EncodedJitConfig);

/// <summary>A registered runner.</summary>
internal sealed record ScaleSetAgent(long Id, string? Name);

internal sealed record ScaleSetList(int Count, IReadOnlyList<ScaleSet>? Value);

internal sealed record RunnerGroupList(int Count, IReadOnlyList<RunnerGroup>? Value);

internal sealed record RunnerGroup(long Id, string? Name);

internal sealed record AgentList(int Count, IReadOnlyList<ScaleSetAgent>? Value);

internal sealed record AcquiredJobs(int Count, IReadOnlyList<long>? Value);

internal sealed record JitName(string Name, string WorkFolder);

internal sealed record SessionOwner(string OwnerName);

/// <summary>What a client shows to be let in.</summary>
internal sealed record RegistrationRequest(
    string Url, [property: JsonPropertyName("runner_event")] string RunnerEvent);

/// <summary>Where the service is, and the token for it.</summary>
internal sealed record ServiceAdmission(string? Url, string? Token);

/// <summary>Who is asking, as the service wants it: JSON in the User-Agent.</summary>
internal sealed record ServiceUserAgent(
    string System,
    string Version,
    [property: JsonPropertyName("commit_sha")] string CommitSha,
    [property: JsonPropertyName("scale_set_id")] int ScaleSetId,
    string Subsystem,
    [property: JsonPropertyName("build_version")] string BuildVersion,
    [property: JsonPropertyName("build_commit_sha")] string BuildCommitSha,
    string Kind = "scaleset");

/// <summary>How the service words an error.</summary>
internal sealed record ServiceError(string? TypeName, string? Message);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    NumberHandling = JsonNumberHandling.AllowReadingFromString, MaxDepth = 32)]
[JsonSerializable(typeof(ScaleSet))]
[JsonSerializable(typeof(ScaleSetList))]
[JsonSerializable(typeof(ScaleSetSession))]
[JsonSerializable(typeof(ScaleSetMessage))]
[JsonSerializable(typeof(IReadOnlyList<ScaleSetJobEntry>))]
[JsonSerializable(typeof(ScaleSetJit))]
[JsonSerializable(typeof(AgentList))]
[JsonSerializable(typeof(RunnerGroupList))]
[JsonSerializable(typeof(AcquiredJobs))]
[JsonSerializable(typeof(IReadOnlyList<long>))]
[JsonSerializable(typeof(JitName))]
[JsonSerializable(typeof(SessionOwner))]
[JsonSerializable(typeof(RegistrationRequest))]
[JsonSerializable(typeof(ServiceAdmission))]
[JsonSerializable(typeof(ServiceUserAgent))]
[JsonSerializable(typeof(ServiceError))]
internal sealed partial class ScaleSetJson : JsonSerializerContext;

using System.Text.Json.Serialization;

namespace RunnerVm.Sources.GitLab.Wire;

/// <summary>What we are and can do, sent with nearly every call. GitLab fails jobs at once that need a feature that is not here.</summary>
internal sealed record RunnerIdentity
{
    public static RunnerIdentity This { get; } = new();

    public string Name { get; } = "runnervm";

    public string Version { get; } = Product.Version;

    public string Revision { get; } = Product.Version;

    public string Platform { get; } = "linux";

    public string Architecture { get; } = GitLabHttp.Architecture;

    public string Executor { get; } = "runnervm";

    public string Shell { get; } = "bash";

    public RunnerFeatures Features { get; } = new();
}

/// <summary>Every flag is always sent. True is what is implemented; the server believes it.</summary>
internal sealed record RunnerFeatures
{
    public bool Variables { get; } = true;

    public bool Image { get; } = true;

    public bool Services { get; }

    public bool Artifacts { get; } = true;

    public bool Cache { get; } = true;

    public bool FallbackCacheKeys { get; } = true;

    public bool Shared { get; }

    public bool UploadMultipleArtifacts { get; } = true;

    public bool UploadRawArtifacts { get; } = true;

    public bool Session { get; }

    public bool Terminal { get; }

    public bool Refspecs { get; } = true;

    public bool Masking { get; } = true;

    public bool Proxy { get; }

    public bool RawVariables { get; } = true;

    public bool ArtifactsExclude { get; } = true;

    public bool MultiBuildSteps { get; } = true;

    public bool TraceReset { get; } = true;

    public bool TraceChecksum { get; } = true;

    public bool TraceSize { get; } = true;

    public bool VaultSecrets { get; }

    public bool Cancelable { get; } = true;

    public bool ReturnExitCode { get; } = true;

    public bool ServiceVariables { get; }

    public bool ServiceMultipleAliases { get; }

    public bool ImageExecutorOpts { get; }

    public bool ServiceExecutorOpts { get; }

    public bool CancelGracefully { get; } = true;

    public bool NativeStepsIntegration { get; }

    public bool TwoPhaseJobCommit { get; } = true;

    public bool JobInputs { get; }
}

internal sealed record VerifyBody(string Token, string SystemId, RunnerIdentity Info);

/// <param name="LastUpdate">The cursor; left out when there is none.</param>
internal sealed record RequestBody(RunnerIdentity Info, string Token, string SystemId, string? LastUpdate);

internal sealed record VerifyAnswer(long Id, string? Token, DateTimeOffset? TokenExpiresAt);

/// <param name="ExitCode">Left out when there is none, or zero.</param>
internal sealed record UpdateBody(
    RunnerIdentity Info, string Token, string State, string? FailureReason, string? Checksum, TraceSummary? Output, int? ExitCode);

/// <param name="Bytesize">Bytes of the whole log.</param>
internal sealed record TraceSummary(string Checksum, long Bytesize);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(VerifyBody))]
[JsonSerializable(typeof(VerifyAnswer))]
[JsonSerializable(typeof(RequestBody))]
[JsonSerializable(typeof(UpdateBody))]
internal sealed partial class WireJson : JsonSerializerContext;

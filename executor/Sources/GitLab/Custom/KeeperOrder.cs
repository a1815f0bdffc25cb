using System.Text.Json.Serialization;

namespace RunnerVm.Sources.GitLab.Custom;

/// <summary>What <c>prepare</c> hands to the keeper it starts: one line of JSON on its standard input.</summary>
internal sealed record KeeperOrder
{
    /// <summary>Read at once; it vanishes with gitlab-runner's own folder.</summary>
    public required string ResponseFile { get; init; }

    public required string Image { get; init; }

    public required int Cpus { get; init; }

    public required int MemoryMib { get; init; }

    public required long DiskBytes { get; init; }

    public required string Engine { get; init; }

    /// <summary>Null: everything public, and the job's GitLab.</summary>
    public string[]? Allow { get; init; }

    public bool NoNetwork { get; init; }

    /// <summary>The GitLab to speak with where it is not the one of the repository's address.</summary>
    public string? ServerUrl { get; init; }

    /// <summary>gitlab-runner; the machine does not outlive it.</summary>
    public required int RunnerPid { get; init; }

    public required long RunnerStartTicks { get; init; }
}

/// <summary>What the keeper says to <c>prepare</c>, a line of JSON each. Exactly one member is set.</summary>
internal sealed record KeeperWord
{
    /// <summary>For the job's log.</summary>
    public string? Say { get; init; }

    /// <summary>The machine runs and its calls are answered; prepare lets go.</summary>
    public bool Ready { get; init; }

    /// <summary>There will be no machine: why, in one line.</summary>
    public string? Failed { get; init; }

    /// <summary>With <see cref="Failed"/>: it is the job's own doing, trying again would bring the same.</summary>
    public bool Refused { get; init; }
}

/// <summary>What a call asks of the keeper, before the script's bytes.</summary>
/// <param name="Stage">gitlab-runner's name of it; any.</param>
/// <param name="ScriptBytes">How many follow; -1: end the machine.</param>
internal sealed record KeeperCall(string Stage, int ScriptBytes);

/// <summary>How a call ended.</summary>
/// <param name="ExitCode">Of the script.</param>
/// <param name="Diagnosis">What the machine knows of a failure.</param>
/// <param name="Lost">The machine is gone, or cannot be used: nobody's script is to blame.</param>
/// <param name="GuestMilliseconds">How long the machine took; the rest of a call's time is ours.</param>
internal sealed record KeeperReply(int ExitCode, string? Diagnosis, bool Lost = false, double GuestMilliseconds = 0);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(KeeperOrder))]
[JsonSerializable(typeof(KeeperWord))]
[JsonSerializable(typeof(KeeperCall))]
[JsonSerializable(typeof(KeeperReply))]
[JsonSerializable(typeof(DriverConfiguration))]
internal sealed partial class KeeperJson : JsonSerializerContext;

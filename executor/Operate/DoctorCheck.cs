using System.Text.Json.Serialization;

namespace RunnerVm.Operate;

/// <summary>One line of <c>runnervm doctor</c>.</summary>
/// <param name="Name">What was looked at.</param>
/// <param name="Detail">What was found.</param>
/// <param name="Reason">Why it is not as it should be; null when it is.</param>
/// <param name="Fix">What to install or change; null when nothing is to be done.</param>
internal sealed record DoctorCheck(string Name, CheckStatus Status, string Detail, string? Reason = null, string? Fix = null)
{
    /// <summary>No job runs without it: missing makes doctor exit with 1.</summary>
    [JsonIgnore]
    public bool Required { get; init; }
}

/// <summary>How a check went.</summary>
internal enum CheckStatus
{
    [JsonStringEnumMemberName("ok")]
    Ok,

    /// <summary>Jobs run, but slower or with less.</summary>
    [JsonStringEnumMemberName("warn")]
    Warn,

    /// <summary>Not there.</summary>
    [JsonStringEnumMemberName("missing")]
    Missing,
}

/// <param name="CanRunJobs">Some engine is available and nothing required is missing.</param>
internal sealed record DoctorReport(bool CanRunJobs, IReadOnlyList<DoctorCheck> Checks)
{
    [JsonIgnore]
    public int ExitCode => CanRunJobs ? ExitCodes.Ok : ExitCodes.Failed;
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true, WriteIndented = true)]
[JsonSerializable(typeof(DoctorReport))]
internal sealed partial class DoctorJson : JsonSerializerContext;

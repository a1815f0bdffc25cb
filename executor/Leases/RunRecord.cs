using System.Text.Json;
using System.Text.Json.Serialization;
using RunnerVm.Jobs;

namespace RunnerVm.Leases;

/// <summary>What run.json says of a running job: enough to clean up after an owner that was killed.</summary>
/// <param name="Engine">The machine's process; null before it starts.</param>
/// <param name="Unfinished">A folder outside the run's own that is worthless until the job has filled and renamed it; null when there is none.</param>
/// <param name="Title">What its forge calls it, for people; null until that is known.</param>
internal sealed record RunRecord(
    string JobId, int OwnerPid, DateTimeOffset StartedAt, JobPhase Phase, ProcessIdentity? Engine, string? Unfinished = null, string? Title = null)
{
    public const string FileName = "run.json";

    /// <summary>Replaces the file in <paramref name="folder"/> at once, so a reader sees the old one or the new one.</summary>
    public void Write(string folder)
    {
        var temporary = Path.Combine(folder, FileName + ".new");
        File.WriteAllBytes(temporary, JsonSerializer.SerializeToUtf8Bytes(this, RunRecordJson.Default.RunRecord));
        File.Move(temporary, Path.Combine(folder, FileName), overwrite: true);
    }

    /// <summary>Null when there is none or it cannot be read as one.</summary>
    public static RunRecord? Read(string folder)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(Path.Combine(folder, FileName)), RunRecordJson.Default.RunRecord);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
[JsonSerializable(typeof(RunRecord))]
internal sealed partial class RunRecordJson : JsonSerializerContext;

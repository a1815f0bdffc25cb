using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;

namespace RunnerVm.Tests.StandIns.GitLab;

/// <summary>One job as the server sees it. Read it through <see cref="GitLabStandIn.WaitAsync"/>, or when nothing runs any more.</summary>
public sealed class StandInJob
{
    internal StandInJob(long id, string token, JsonObject payload) => (Id, Token, Payload) = (id, token, payload);

    public long Id { get; }

    public string Token { get; }

    public JsonObject Payload { get; }

    /// <summary>queued, waiting (handed over, not begun), running, canceling, canceled, success, failed.</summary>
    public string State { get; internal set; } = "queued";

    public string? FailureReason { get; internal set; }

    public int ExitCode { get; internal set; }

    public string? SystemId { get; internal set; }

    public IReadOnlyList<StandInArtifact> Artifacts => Stored;

    /// <summary>How often it was handed over, and how often an end was accepted.</summary>
    public int HandedOver { get; internal set; }

    public int Ended { get; internal set; }

    public int KeepAlives { get; internal set; }

    public int Touches { get; internal set; }

    public int Patches { get; internal set; }

    public byte[] Trace => Log.ToArray();

    public string TraceText => Encoding.UTF8.GetString(Trace);

    /// <summary>From the answer with the job to the first patch that holds a line of the job's own; null before.</summary>
    public TimeSpan? ToFirstOutput { get; internal set; }

    /// <summary>From the answer with the job to its accepted end.</summary>
    public TimeSpan? ToEnd { get; internal set; }

    public bool IsOver => State is "success" or "failed" or "canceled";

    internal MemoryStream Log { get; } = new();

    internal List<StandInArtifact> Stored { get; } = [];

    internal long HandedOverAt { get; set; }

    internal long LastSign { get; set; }

    internal int AcceptancesLeft { get; set; }

    internal TimeSpan SinceHandover => Stopwatch.GetElapsedTime(HandedOverAt);
}

/// <param name="Type">As uploaded; null when the client left it to the server.</param>
public sealed record StandInArtifact(string FileName, string? Type, string? Format, string? ExpireIn, byte[] Content);

using System.Text.Json;
using System.Text.Json.Serialization;
using RunnerVm.Sources.GitLab.Wire;
using RunnerVm.Store;

namespace RunnerVm.Sources.GitLab;

/// <summary>What has to be known of a job to finish it after its agent was killed.</summary>
/// <param name="JobToken">Opens this one job, as long as it runs; the journal is readable for its owner only.</param>
/// <param name="Committed">GitLab counts it as running. Before that it simply goes back to the queue.</param>
/// <param name="SentBytes">Of the log; GitLab knows better and says so.</param>
/// <param name="Final">How it ended; null while it runs.</param>
internal sealed record GitLabJournalRecord(
    string Runner, Uri Url, string? CaFile, long GitLabJobId, string JobToken, string TracePath, bool Committed, bool DebugTrace, bool Timestamps,
    long SentBytes, FinalState? Final)
{
    /// <summary>Never the token.</summary>
    public override string ToString() => $"job {GitLabJobId} of {Url}";
}

/// <summary>GitLab's part of the journal.</summary>
internal sealed class GitLabJournal(JobJournal journal)
{
    private const string Forge = "gitlab";

    public void Write(string jobId, GitLabJournalRecord record) =>
        journal.Write(jobId, Forge, JsonSerializer.Serialize(record, GitLabJournalJson.Default.GitLabJournalRecord));

    public void Remove(string jobId) => journal.Remove(jobId);

    /// <summary>What earlier agents left, in the order of their beginning. What cannot be read is left out.</summary>
    public IReadOnlyList<(string JobId, GitLabJournalRecord Record)> Read()
    {
        var records = new List<(string, GitLabJournalRecord)>();
        foreach (var (jobId, text) in journal.Read(Forge))
        {
            try
            {
                if (JsonSerializer.Deserialize(text, GitLabJournalJson.Default.GitLabJournalRecord) is { } record) records.Add((jobId, record));
            }
            catch (JsonException)
            {
                journal.Remove(jobId); // Of another version: there is nobody who could finish it.
            }
        }

        return records;
    }
}

[JsonSerializable(typeof(GitLabJournalRecord))]
internal sealed partial class GitLabJournalJson : JsonSerializerContext;

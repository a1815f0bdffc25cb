using System.Text.Json;
using System.Text.Json.Serialization;
using RunnerVm.Store;

namespace RunnerVm.Sources.GitHub;

/// <summary>
/// GitHub's part of the journal: registrations and sessions that exist at GitHub because of us and are to go with us.
/// Each is entered before it is made, so that a process killed at any moment leaves nothing nobody knows of.
/// </summary>
internal sealed class GitHubJournal(JobJournal journal)
{
    /// <param name="job">Of ours; the row's key.</param>
    /// <param name="forge">Name of the runner entry it is of.</param>
    /// <param name="title">GitHub's job it has, for people; null: none yet.</param>
    public void WriteRunner(string job, string forge, string runner, string? title = null) =>
        journal.Write(job, RunnersOf(forge), JsonSerializer.Serialize(new(runner, title), GitHubJournalJson.Default.RunnerRecord));

    public void RemoveRunner(string job) => journal.Remove(job);

    /// <summary>Registrations that may still be there, oldest first. What cannot be read is left out, and forgotten.</summary>
    public IReadOnlyList<(string Job, RunnerRecord Runner)> Runners(string forge)
    {
        var found = new List<(string, RunnerRecord)>();
        foreach (var (job, content) in journal.Read(RunnersOf(forge)))
        {
            if (Read(content, GitHubJournalJson.Default.RunnerRecord) is { } record) found.Add((job, record));
            else journal.Remove(job);
        }

        return found;
    }

    public void WriteSession(string forge, SessionRecord session) =>
        journal.Write(SessionKey(forge), SessionsOf(forge), JsonSerializer.Serialize(session, GitHubJournalJson.Default.SessionRecord));

    public void RemoveSession(string forge) => journal.Remove(SessionKey(forge));

    /// <summary>The session that an agent before us did not close; null: it did.</summary>
    public SessionRecord? Session(string forge) =>
        journal.Read(SessionsOf(forge)) is [var row, ..] ? Read(row.Content, GitHubJournalJson.Default.SessionRecord) : null;

    private static string RunnersOf(string forge) => $"github runners {forge}";

    private static string SessionsOf(string forge) => $"github session {forge}";

    private static string SessionKey(string forge) => $"session {forge}";

    private static T? Read<T>(string content, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(content, type);
        }
        catch (JsonException)
        {
            return null; // Of another version.
        }
    }
}

/// <param name="Runner">Name of the registration.</param>
/// <param name="Title">GitHub's job it had, as far as that was heard.</param>
internal sealed record RunnerRecord(string Runner, string? Title = null);

/// <param name="Set">Number of the scale set.</param>
internal sealed record SessionRecord(int Set, string Session);

[JsonSerializable(typeof(RunnerRecord))]
[JsonSerializable(typeof(SessionRecord))]
internal sealed partial class GitHubJournalJson : JsonSerializerContext;

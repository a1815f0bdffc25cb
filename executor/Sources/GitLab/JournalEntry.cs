using Microsoft.Data.Sqlite;
using RunnerVm.Sources.GitLab.Payload;
using RunnerVm.Sources.GitLab.Wire;
using Serilog;

namespace RunnerVm.Sources.GitLab;

/// <summary>One running job's row in the journal. Safe to use from several threads.</summary>
internal sealed class JournalEntry(string id, JobResponse payload, GitLabRunnerOptions runner, string tracePath, GitLabJournal journal, ILogger log)
{
    private readonly Lock _lock = new();
    private GitLabJournalRecord _record = new(
        runner.Name, runner.Server.Url, runner.Server.CaFile, payload.Id, payload.Token, tracePath,
        Committed: false, IsOn(payload, "CI_DEBUG_TRACE") || IsOn(payload, "CI_DEBUG_SERVICES"), Timestamps(payload), SentBytes: 0, Final: null);

    public bool DebugTrace => _record.DebugTrace;

    public static bool Timestamps(JobResponse payload) =>
        payload.Variables.LastOrDefault(static v => v.Key == "FF_TIMESTAMPS")?.Value is not { } value || !IsFalse(value);

    /// <summary>Before anything of the job is done.</summary>
    /// <exception cref="SqliteException">It cannot be written.</exception>
    public void Write()
    {
        lock (_lock) journal.Write(id, _record);
    }

    public void Committed() => Change(static record => record with { Committed = true });

    public void Sent(long bytes) => Change(record => record with { SentBytes = bytes });

    public void Ended(FinalState final) => Change(record => record with { Committed = true, Final = final });

    public void Remove() => Try(() => journal.Remove(id));

    private void Change(Func<GitLabJournalRecord, GitLabJournalRecord> change)
    {
        lock (_lock)
        {
            _record = change(_record);
            Try(() => journal.Write(id, _record));
        }
    }

    /// <summary>A row that is out of date costs the next start a question; a job that is given up for it costs its owner the job.</summary>
    private void Try(Action write)
    {
        try
        {
            write();
        }
        catch (SqliteException e)
        {
            log.Warning("{Job}: the journal of jobs could not be written: {Why}", id, e.Message);
        }
    }

    private static bool IsOn(JobResponse payload, string variable) =>
        payload.Variables.LastOrDefault(v => v.Key == variable)?.Value is "1" or "t" or "T" or "true" or "True" or "TRUE";

    private static bool IsFalse(string value) => value is "0" or "f" or "F" or "false" or "False" or "FALSE";
}

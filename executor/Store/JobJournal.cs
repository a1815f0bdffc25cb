using Microsoft.Data.Sqlite;

namespace RunnerVm.Store;

/// <summary>
/// The jobs an agent has taken and not yet given back, on disk: one row a job with what its forge needs to finish it.
/// Each write is on disk when it returns, also for a process that is killed in the next moment. Safe to use from
/// several threads of one process.
/// </summary>
internal sealed partial class JobJournal : IDisposable
{
    public const string FileName = "agent.db";

    private readonly Lock _lock = new();
    private readonly SqliteConnection _connection;

    private JobJournal(SqliteConnection connection) => _connection = connection;

    /// <exception cref="UserException">It cannot be opened or is no journal.</exception>
    public static JobJournal Open(string path)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false }.ToString());
        try
        {
            // Made before SQLite makes it, so that nobody else can read the tokens in it.
            using (new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            })) { }

            connection.Open();
            var journal = new JobJournal(connection);
            // A killed process loses nothing in this mode; only a power cut may lose the last writes, and with them their machine.
            journal.Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;");
            journal.Execute("CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, forge TEXT NOT NULL, content TEXT NOT NULL) STRICT;");
            journal.Execute("CREATE TABLE IF NOT EXISTS ended (number INTEGER PRIMARY KEY, id TEXT NOT NULL, forge TEXT NOT NULL, name TEXT NOT NULL, result TEXT NOT NULL, sentence TEXT NOT NULL, at INTEGER NOT NULL) STRICT;");
            return journal;
        }
        catch (Exception e) when (e is SqliteException or IOException or UnauthorizedAccessException)
        {
            connection.Dispose();
            throw new UserException(ExitCodes.RunnerFailed, $"Cannot open the journal of jobs {path}: {e.Message} If it is damaged, move it away; the jobs in it are then lost to their forge.", e);
        }
    }

    /// <summary>Enters a job, or replaces what is known of it.</summary>
    public void Write(string jobId, string forge, string content) => Execute(
        "INSERT INTO jobs (id, forge, content) VALUES ($id, $forge, $content) ON CONFLICT (id) DO UPDATE SET content = excluded.content;",
        ("$id", jobId), ("$forge", forge), ("$content", content));

    public void Remove(string jobId) => Execute("DELETE FROM jobs WHERE id = $id;", ("$id", jobId));

    /// <summary>All jobs of a forge, oldest first.</summary>
    public IReadOnlyList<(string JobId, string Content)> Read(string forge)
    {
        lock (_lock)
        {
            using var command = Command("SELECT id, content FROM jobs WHERE forge = $forge ORDER BY rowid;", [("$forge", forge)]);
            using var reader = command.ExecuteReader();
            var rows = new List<(string, string)>();
            while (reader.Read()) rows.Add((reader.GetString(0), reader.GetString(1)));
            return rows;
        }
    }

    public void Dispose()
    {
        lock (_lock) _connection.Dispose();
    }

    private void Execute(string text, params (string Name, object Value)[] values)
    {
        lock (_lock)
        {
            using var command = Command(text, values);
            command.ExecuteNonQuery();
        }
    }

    private SqliteCommand Command(string text, (string Name, object Value)[] values)
    {
        var command = _connection.CreateCommand();
        command.CommandText = text;
        foreach (var (name, value) in values) command.Parameters.AddWithValue(name, value);
        return command;
    }
}

namespace RunnerVm.Store;

/// <content>How the last jobs ended, for people who ask afterwards.</content>
internal sealed partial class JobJournal
{
    /// <summary>So many are remembered.</summary>
    internal const int MostEnded = 1000;

    public void WriteEnded(EndedRow row)
    {
        Execute(
            "INSERT INTO ended (id, forge, name, result, sentence, at) VALUES ($id, $forge, $name, $result, $sentence, $at);",
            ("$id", row.JobId), ("$forge", row.Forge), ("$name", row.Name), ("$result", row.Result), ("$sentence", row.Sentence), ("$at", row.At.ToUnixTimeMilliseconds()));
        Execute("DELETE FROM ended WHERE number <= (SELECT max(number) FROM ended) - $most;", ("$most", MostEnded));
    }

    /// <summary>The last to end comes last.</summary>
    public IReadOnlyList<EndedRow> ReadEnded()
    {
        lock (_lock)
        {
            using var command = Command("SELECT id, forge, name, result, sentence, at FROM ended ORDER BY number;", []);
            using var reader = command.ExecuteReader();
            var rows = new List<EndedRow>();
            while (reader.Read())
                rows.Add(new(reader.GetString(0), reader.GetString(1), reader.GetString(2), reader.GetString(3), reader.GetString(4), DateTimeOffset.FromUnixTimeMilliseconds(reader.GetInt64(5))));
            return rows;
        }
    }
}

/// <param name="Result">One word.</param>
/// <param name="Sentence">Why.</param>
internal sealed record EndedRow(string JobId, string Forge, string Name, string Result, string Sentence, DateTimeOffset At);

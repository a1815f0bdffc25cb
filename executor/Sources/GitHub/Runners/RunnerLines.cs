using System.Text;

namespace RunnerVm.Sources.GitHub.Runners;

/// <summary>
/// What the official runner says on its standard output, cut into lines of bounded length. The words are those of its source
/// and have been the same for years.
/// </summary>
internal sealed class RunnerLines(Action<string> line)
{
    private const int LongestLine = 8 * 1024;

    private readonly byte[] _bytes = new byte[LongestLine];
    private int _count;

    public void Add(ReadOnlySpan<byte> bytes)
    {
        foreach (var b in bytes)
        {
            if (b == '\n') End();
            else if (_count < LongestLine) _bytes[_count++] = b;
        }
    }

    /// <summary>What was not ended by a line feed.</summary>
    public void End()
    {
        var text = Encoding.UTF8.GetString(_bytes, 0, _count).TrimEnd('\r');
        _count = 0;
        if (text.Length > 0) line(text);
    }

    /// <summary>What a line says of the runner's state.</summary>
    public static RunnerWord Read(string line)
    {
        // "2026-11-25 10:00:00Z: Listening for Jobs"; a job's name is a stranger's and stands at the end.
        if (line.EndsWith("Z: Listening for Jobs", StringComparison.Ordinal) || line == "Listening for Jobs") return new(RunnerWordKind.Listening, null);
        if (After(line, "Running job: ") is { } job) return new(RunnerWordKind.Running, job);
        if (line.LastIndexOf(" completed with result: ", StringComparison.Ordinal) is >= 0 and var at && After(line[..at], "Job ") is not null)
            return new(RunnerWordKind.Completed, line[(at + " completed with result: ".Length)..]);
        if (line.Contains("is deprecated and cannot receive messages", StringComparison.Ordinal)) return new(RunnerWordKind.TooOld, null);
        return new(RunnerWordKind.Other, null);
    }

    /// <summary>What follows a word that begins the line or comes after its time.</summary>
    private static string? After(string line, string word)
    {
        if (line.StartsWith(word, StringComparison.Ordinal)) return line[word.Length..];
        var time = line.IndexOf("Z: ", StringComparison.Ordinal);
        return time is >= 0 and < 32 && line.AsSpan(time + 3).StartsWith(word, StringComparison.Ordinal) ? line[(time + 3 + word.Length)..] : null;
    }
}

internal readonly record struct RunnerWord(RunnerWordKind Kind, string? Text);

internal enum RunnerWordKind
{
    Other,
    Listening,
    Running,
    Completed,
    TooOld,
}

using System.Text;

namespace RunnerVm.Options.Yaml;

/// <summary>All that is wrong with one file, gathered so that it is told at once.</summary>
/// <param name="shownPath">The path as the person wrote it, so an editor can jump to it.</param>
/// <param name="homes">Names of maps and the keys they take, for whoever put a key into the wrong one.</param>
internal sealed class FileProblems(string shownPath, params IReadOnlyList<(string Map, IReadOnlyList<string> Keys)> homes)
{
    /// <summary>A file of another kind would otherwise fill the screen.</summary>
    private const int MaximumShown = 50;

    private readonly List<(FilePosition Position, string Message)> problems = [];

    public void Add(FilePosition position, string message) => problems.Add((position, message));

    /// <summary>The map another key list belongs to; null when <paramref name="key"/> is in none, or only in <paramref name="here"/>.</summary>
    public string? HomeOf(string key, IReadOnlyList<string> here)
    {
        foreach (var (map, keys) in homes)
            if (!ReferenceEquals(keys, here) && keys.Contains(key)) return map;
        return null;
    }

    /// <summary>Throws when anything was added: a first line with the count, then <c>path:line:column: message</c> by position.</summary>
    /// <exception cref="UserException">With <see cref="ExitCodes.BadFile"/>.</exception>
    public void ThrowIfAny()
    {
        // An alias can lead to the same value more than once; its problem is still one.
        var told = problems.Distinct().OrderBy(p => p.Position).ToList();
        if (told.Count == 0) return;
        var text = new StringBuilder();
        text.Append(shownPath).Append(told.Count == 1 ? " has a problem:" : $" has {told.Count} problems:");
        foreach (var (position, message) in told.Take(MaximumShown))
        {
            text.Append('\n').Append(shownPath).Append($":{position.Line}:{position.Column}: ").Append(message);
        }

        if (told.Count > MaximumShown) text.Append($"\n… and {told.Count - MaximumShown} more");
        throw new UserException(ExitCodes.BadFile, text.ToString());
    }
}

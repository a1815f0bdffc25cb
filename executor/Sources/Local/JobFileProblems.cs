using System.Text;

namespace RunnerVm.Sources.Local;

/// <summary>All that is wrong with one job file, gathered so that it is told at once.</summary>
/// <param name="shownPath">The path as the person wrote it, so an editor can jump to it.</param>
internal sealed class JobFileProblems(string shownPath)
{
    /// <summary>A file of another kind would otherwise fill the screen.</summary>
    private const int MaximumShown = 50;

    private readonly List<(FilePosition Position, string Message)> problems = [];

    public void Add(FilePosition position, string message) => problems.Add((position, message));

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

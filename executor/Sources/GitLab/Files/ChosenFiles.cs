using System.Text;
using RunnerVm.GuestProtocol;
using RunnerVm.Guests;

namespace RunnerVm.Sources.GitLab.Files;

/// <summary>From the paths of a cache or an artifact to what the guest is asked to pack.</summary>
/// <param name="folder">The project's.</param>
/// <param name="warn">Takes sentences for the log.</param>
internal sealed class ChosenFiles(GuestSession guest, string folder, Func<string, ValueTask> warn)
{
    private const int MostListBytes = 4 << 20;

    /// <returns>Null when no file can be meant.</returns>
    public async Task<TarOutRequest?> FindAsync(PathSelection selection, bool untracked, StopRequest stop)
    {
        foreach (var warning in selection.Warnings) await warn(warning);
        var include = new List<string>(selection.Include);
        if (untracked) include.AddRange(await UntrackedAsync(stop));
        return include.Count == 0 ? null : new() { Path = folder, Include = [.. include], Exclude = [.. selection.Exclude] };
    }

    /// <summary>Git knows them. A folder without a tracked file is one name, or there would be a pattern for each file of node_modules.</summary>
    private async Task<IReadOnlyList<string>> UntrackedAsync(StopRequest stop)
    {
        var list = new MemoryStream();
        var request = new ExecRequest
        {
            Candidates = [["git", "-C", folder, "ls-files", "-o", "-z", "--directory", "--no-empty-directory"]],
            Environment = [],
        };
        var result = await guest.ExecAsync(request, (stream, bytes) =>
        {
            if (stream == Logs.OutputStream.StandardOutput && list.Length <= MostListBytes) list.Write(bytes.Span);
            return ValueTask.CompletedTask;
        }, stop);
        if (result.ExitCode != 0)
        {
            await warn("Git could not list the untracked files; none is taken.");
            return [];
        }

        var names = Encoding.UTF8.GetString(list.GetBuffer().AsSpan(0, (int)list.Length)).Split('\0', StringSplitOptions.RemoveEmptyEntries);
        if (list.Length <= MostListBytes && names.Length <= PathSelection.MostPatterns) return [.. names.Select(static n => PathSelection.Literal(n.TrimEnd('/')))];
        await warn($"There are more than {PathSelection.MostPatterns} untracked files beside tracked ones, and none is taken. Write their folders under 'paths:' instead.");
        return [];
    }
}

namespace RunnerVm.Sources.GitLab.Files;

/// <summary>Which files of a project a cache or an artifact means: patterns relative to the project's folder.</summary>
/// <param name="Include">Never outside the project.</param>
/// <param name="Warnings">What was left out and why, for the log.</param>
internal sealed record PathSelection(IReadOnlyList<string> Include, IReadOnlyList<string> Exclude, IReadOnlyList<string> Warnings)
{
    /// <summary>More patterns than this make the guest's walk through its files too slow.</summary>
    public const int MostPatterns = 20_000;

    /// <param name="expand">Fills variables in.</param>
    /// <param name="project">The folder's absolute path in the guest.</param>
    public static PathSelection Of(IReadOnlyList<string> paths, IReadOnlyList<string> exclude, Func<string, string> expand, string project)
    {
        var warnings = new List<string>();
        return new(Resolve(paths, expand, project, warnings), Resolve(exclude, expand, project, warnings), warnings);
    }

    private static List<string> Resolve(IReadOnlyList<string> paths, Func<string, string> expand, string project, List<string> warnings)
    {
        var resolved = new List<string>();
        foreach (var path in paths)
        {
            var expanded = expand(path);
            var inside = Alternatives(expanded).Select(p => Inside(p, project)).ToList();
            if (inside.TrueForAll(static p => p is not null)) resolved.AddRange(inside!);
            else warnings.Add($"{path}: {(expanded == path ? "it" : $"{expanded}, which it stands for,")} is not in the project's folder {project} and is left out.");
        }

        return resolved;
    }

    /// <summary>A pattern for the guest's walk below the project, or null when it leads out of it.</summary>
    internal static string? Inside(string path, string project)
    {
        if (path.Contains('\0')) return null;
        if (path == project) return "**";
        if (path.StartsWith(project + "/", StringComparison.Ordinal)) path = path[(project.Length + 1)..];
        else if (path.StartsWith('/')) return null;

        var parts = new List<string>();
        foreach (var part in path.Split('/'))
        {
            if (part is "" or ".") continue;
            if (part != "..")
            {
                parts.Add(part);
                continue;
            }

            // What a pattern matches has no parent that is known here.
            if (parts.Count == 0 || parts[^1].AsSpan().ContainsAny('*', '?', '[')) return null;
            parts.RemoveAt(parts.Count - 1);
        }

        return parts.Count == 0 ? "**" : string.Join('/', parts);
    }

    /// <summary>A file's own name as a pattern that matches nothing else.</summary>
    public static string Literal(string name) =>
        string.Concat(name.Select(static c => c is '*' or '?' or '[' or '\\' ? $"\\{c}" : c.ToString()));

    /// <summary><c>a.{js,css}</c> is two patterns; so many that they are not worth the walk are left as they stand.</summary>
    internal static IReadOnlyList<string> Alternatives(string pattern)
    {
        const int most = 256;
        var done = new List<string>();
        var open = new Queue<string>([pattern]);
        while (open.TryDequeue(out var next))
        {
            var close = next.IndexOf('}');
            var start = close < 0 ? -1 : next.LastIndexOf('{', close);
            if (start < 0)
            {
                done.Add(next);
                continue;
            }

            foreach (var choice in next[(start + 1)..close].Split(',')) open.Enqueue(next[..start] + choice + next[(close + 1)..]);
            if (open.Count + done.Count > most) return [pattern];
        }

        return [.. done.Distinct()];
    }
}

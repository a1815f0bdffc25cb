namespace RunnerVm.Sources.GitLab.Custom;

/// <summary>The options of a gitlab-runner sub-command, as its scripts write them: <c>--name value</c>, <c>--name=value</c>, bare switches.</summary>
internal sealed class ErrandArguments
{
    private static readonly HashSet<string> Switches = ["untracked", "verbose", "debug", "version", "help"];

    private readonly List<(string Name, string Value)> _options = [];

    /// <param name="words">Behind the sub-command.</param>
    public ErrandArguments(ReadOnlySpan<string> words)
    {
        for (var i = 0; i < words.Length; i++)
        {
            if (!words[i].StartsWith('-')) continue;
            var name = words[i].TrimStart('-');
            if (name.IndexOf('=') is var equals and > 0) _options.Add((name[..equals], name[(equals + 1)..]));
            else if (Switches.Contains(name) || i + 1 == words.Length) _options.Add((name, "true"));
            else _options.Add((name, words[++i]));
        }
    }

    public IReadOnlyList<string> All(string name) => [.. _options.Where(o => o.Name == name).Select(static o => o.Value)];

    /// <summary>The last one given; empty when there is none.</summary>
    public string Last(string name) => _options.LastOrDefault(o => o.Name == name).Value ?? "";

    public bool Flag(string name) => Last(name) is not ("" or "false" or "0");
}

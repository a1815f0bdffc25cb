using YamlDotNet.Core;

namespace RunnerVm.Options.Yaml;

/// <summary>YAML that is right but not for a file of ours; the message is for people as it stands.</summary>
internal sealed class YamlRefusedException(Mark start, Mark end, string message) : YamlException(start, end, message);

/// <summary>Turns the parser's words, which speak of scanners and tokens, into what to look for in the file.</summary>
internal static class YamlMistake
{
    private static readonly (string Part, string Hint)[] Hints =
    [
        ("quoted scalar", "is a quote opened here and not closed?"),
        ("invalid mapping", "is a space missing after a \":\", or are quotes missing around a text with \": \" in it?"),
        ("cannot start any token", "put quotes around a text that starts with @, ` or %"),
        ("'-' indicator", "put quotes around a text that starts with [, {, *, &, ! or a quote, or align the lines of the list"),
        ("<document end>", "are the lines aligned, and is a text in quotes that starts with [, {, *, & or a quote?"),
        ("<block end>", "are the lines aligned?"),
        ("block mapping", "are the lines aligned?"),
        ("flow", "is a bracket not closed?"),
    ];

    public static (FilePosition Position, string Message) Explain(YamlException mistake, string text)
    {
        if (mistake is YamlRefusedException) return (PositionOf(mistake.Start), mistake.Message);
        if (TabIn(text, mistake) is { } tab) return (tab, "a tab is no indentation in YAML; use spaces");
        var words = Quoted.Line(mistake.Message.Trim(), 300).TrimEnd('.');
        var hint = Hints.FirstOrDefault(h => words.Contains(h.Part, StringComparison.OrdinalIgnoreCase)).Hint;
        var message = words.Length == 0 ? "this is not YAML" : $"this is not YAML: {char.ToLowerInvariant(words[0])}{words[1..]}";
        return (PositionOf(mistake.Start), hint is null ? message : $"{message}; {hint}");
    }

    private static FilePosition PositionOf(Mark mark) => new(Math.Max(1, mark.Line), Math.Max(1, mark.Column));

    /// <summary>The parser stumbles over a tab in the indentation somewhere else and says nothing of it.</summary>
    private static FilePosition? TabIn(string text, YamlException mistake)
    {
        var lines = text.Split('\n');
        var last = Math.Min(mistake.End.Line + 1, lines.Length);
        for (var at = Math.Max(1, mistake.Start.Line - 1); at <= last; at++)
        {
            var content = lines[at - 1].TrimStart(' ');
            if (content.StartsWith('\t')) return new(at, lines[at - 1].Length - content.Length + 1);
        }

        return null;
    }
}

namespace RunnerVm.Options.Yaml;

/// <summary>A place in a file; both count from 1, as editors do.</summary>
internal readonly record struct FilePosition(long Line, long Column) : IComparable<FilePosition>
{
    public static FilePosition Start { get; } = new(1, 1);

    public int CompareTo(FilePosition other) =>
        Line != other.Line ? Line.CompareTo(other.Line) : Column.CompareTo(other.Column);
}

/// <summary>What stands in a YAML file, with its place. Closed: text, list, map.</summary>
internal abstract class YamlValue
{
    private protected YamlValue(FilePosition position) => Position = position;

    public FilePosition Position { get; }

    /// <summary>Nothing was written, or <c>~</c> or <c>null</c>.</summary>
    public bool IsNull => this is YamlText { IsPlain: true, Text: "" or "~" or "null" or "Null" or "NULL" };

    /// <summary>For messages: what somebody wrote here.</summary>
    public string Kind => IsNull ? "nothing" : this switch { YamlList => "a list", YamlMap => "a map", _ => "text" };
}

/// <param name="isPlain">Written without quotes and not as a block, so <c>~</c> and <c>null</c> mean nothing.</param>
internal sealed class YamlText(FilePosition position, string text, bool isPlain) : YamlValue(position)
{
    public string Text { get; } = text;

    public bool IsPlain { get; } = isPlain;
}

internal sealed class YamlList(FilePosition position, IReadOnlyList<YamlValue> items) : YamlValue(position)
{
    public IReadOnlyList<YamlValue> Items { get; } = items;
}

/// <summary>A map as written: entries in order, doubled keys still there so that each can be reported.</summary>
internal sealed class YamlMap(FilePosition position, IReadOnlyList<YamlEntry> entries) : YamlValue(position)
{
    public IReadOnlyList<YamlEntry> Entries { get; } = entries;
}

/// <param name="Position">Where the key stands.</param>
internal sealed record YamlEntry(FilePosition Position, string Key, YamlValue Value);

namespace RunnerVm.Options.Yaml;

/// <summary>
/// One map of a file with known keys. Reading a field that is absent gives null; reading a wrong one reports it
/// and gives null too, so that the reader goes on and finds the rest.
/// </summary>
internal sealed class Fields
{
    private readonly IReadOnlyList<string> keys;
    private readonly Dictionary<string, YamlEntry> entries;
    private readonly FileProblems problems;

    private Fields(YamlMap map, IReadOnlyList<string> keys, Dictionary<string, YamlEntry> entries, FileProblems problems)
    {
        (Position, Map) = (map.Position, map);
        this.keys = keys;
        this.entries = entries;
        this.problems = problems;
    }

    public FilePosition Position { get; }

    /// <summary>As it is written.</summary>
    public YamlMap Map { get; }

    /// <summary>The value of a key, or null when it is absent.</summary>
    public YamlValue? this[string key] => Entry(key)?.Value;

    /// <summary>Null, and a problem, when <paramref name="value"/> is no map. Unknown and doubled keys are reported here.</summary>
    /// <param name="what">Names the map in messages, for example <c>"job"</c>.</param>
    public static Fields? Read(YamlValue value, string what, IReadOnlyList<string> keys, FileProblems problems)
    {
        if (value is not YamlMap map)
        {
            problems.Add(value.Position, $"{what} should be a map with any of: {Quoted.Names(keys)}; found {value.Kind}");
            return null;
        }

        var known = new Dictionary<string, YamlEntry>();
        foreach (var entry in Unique(map, what, problems))
        {
            if (keys.Contains(entry.Key)) known.Add(entry.Key, entry);
            else problems.Add(entry.Position, UnknownKey(entry.Key, what, keys, problems));
        }

        return new(map, keys, known, problems);
    }

    /// <summary>The entries of a map with free keys; a doubled key is reported and left out.</summary>
    public static IEnumerable<YamlEntry> Unique(YamlMap map, string what, FileProblems problems)
    {
        var seen = new Dictionary<string, YamlEntry>();
        foreach (var entry in map.Entries)
        {
            if (seen.TryAdd(entry.Key, entry)) yield return entry;
            else problems.Add(entry.Position, $"{Quoted.Text(entry.Key)} is twice in {what}, first in line {seen[entry.Key].Position.Line}");
        }
    }

    /// <summary>Where a key stands, for problems between two keys.</summary>
    public FilePosition PositionOf(string key) => Entry(key)?.Position ?? Position;

    public bool Has(string key) => Entry(key) is not null;

    public string? Text(string key) => this[key] is { } value ? Scalars.Text(value, Named(key), problems) : null;

    public IReadOnlyList<string>? TextOrList(string key) =>
        this[key] is { } value ? Scalars.TextOrList(value, Named(key), problems) : null;

    public bool? Flag(string key) => Choice(key, Scalars.Flags, out var flag) ? flag : null;

    /// <summary>True when the key is there and holds one of the words in <paramref name="choices"/>.</summary>
    public bool Choice<T>(string key, IReadOnlyDictionary<string, T> choices, out T? choice)
    {
        choice = default;
        return this[key] is { } value && Scalars.Choice(value, Named(key), choices, problems, out choice);
    }

    public int? WholeNumber(string key, int least, int most) =>
        this[key] is { } value ? Scalars.WholeNumber(value, Named(key), least, most, problems) : null;

    public long? Size(string key, long least, long most) =>
        this[key] is { } value ? Scalars.Size(value, Named(key), least, most, problems) : null;

    public TimeSpan? Time(string key, TimeSpan least, TimeSpan most) =>
        this[key] is { } value ? Scalars.Time(value, Named(key), least, most, problems) : null;

    private static string Named(string key) => $"\"{key}\"";

    private static string UnknownKey(string key, string what, IReadOnlyList<string> keys, FileProblems problems)
    {
        var hint = "";
        if (NearestName.Find(key, keys) is { } nearest) hint = $"did you mean \"{nearest}\"? ";
        else if (problems.HomeOf(key, keys) is { } home) hint = $"\"{key}\" belongs under \"{home}\". ";
        return $"unknown key {Quoted.Text(key)} in {what}; {hint}{(hint.Length == 0 ? "expected" : "Expected")} one of: {Quoted.Names(keys)}";
    }

    private YamlEntry? Entry(string key)
    {
        if (!keys.Contains(key)) throw new ArgumentException($"The vocabulary has no key {key} here.", nameof(key));
        return entries.GetValueOrDefault(key);
    }
}

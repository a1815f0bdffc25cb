using System.Text.Json;
using RunnerVm.Vmm.Monitor.Control;

namespace RunnerVm.Vmm.Monitor.Json;

/// <summary>
/// One object of a request, read field by field: each read checks kind and range, and <see cref="NoOthers"/> refuses what
/// nobody asked for. A field that is null counts as missing. Every refusal names the field and says what it takes.
/// </summary>
internal sealed class JsonFields
{
    private readonly JsonElement _object;
    private readonly string _path;
    private readonly List<string> _known = [];

    /// <param name="path">Of the object in the body: empty for the body itself, else <c>rate_limiter.</c> with its dot.</param>
    public JsonFields(JsonElement value, string path = "")
    {
        if (value.ValueKind != JsonValueKind.Object) throw Refuse(path.TrimEnd('.'), "an object", value);
        (_object, _path) = (value, path);
    }

    public bool Any => _object.EnumerateObject().Any(static member => member.Value.ValueKind != JsonValueKind.Null);

    public string? Text(string name) => Find(name, "text", JsonValueKind.String)?.GetString();

    public string RequiredText(string name) => Text(name) ?? throw Missing(name, "text");

    public bool? Flag(string name)
    {
        if (Find(name) is not { } value) return null;
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Refuse(_path + name, "true or false", value);
    }

    public bool RequiredFlag(string name) => Flag(name) ?? throw Missing(name, "true or false");

    public long? Number(string name, long least, long most)
    {
        if (Find(name) is not { } value) return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) && number >= least && number <= most
            ? number
            : throw Refuse(_path + name, Range(least, most), value);
    }

    public long RequiredNumber(string name, long least, long most) => Number(name, least, most) ?? throw Missing(name, Range(least, most));

    public JsonFields? Object(string name) => Find(name) is { } value ? new(value, $"{_path}{name}.") : null;

    /// <summary>The value as it is.</summary>
    public JsonElement? Value(string name) => Find(name);

    /// <summary>Each item of an array, made by <paramref name="read"/> from the item and its path; empty when missing.</summary>
    public IReadOnlyList<T> Items<T>(string name, Func<JsonElement, string, T> read)
    {
        if (Find(name, "an array", JsonValueKind.Array) is not { } array) return [];
        var items = new List<T>(array.GetArrayLength());
        foreach (var item in array.EnumerateArray()) items.Add(read(item, $"{_path}{name}[{items.Count}]"));
        return items;
    }

    public IReadOnlyList<string> Texts(string name) => Items(name, static (item, path) =>
        item.ValueKind == JsonValueKind.String ? item.GetString()! : throw Refuse(path, "text", item));

    /// <summary>Every member, whatever its name; each must be text.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> TextMembers() =>
    [
        .. _object.EnumerateObject().Select(member => member.Value.ValueKind == JsonValueKind.String
            ? KeyValuePair.Create(member.Name, member.Value.GetString()!)
            : throw Refuse(_path + Shorten(member.Name), "text", member.Value)),
    ];

    /// <summary>One of a few words.</summary>
    public T? Choice<T>(string name, params ReadOnlySpan<(string Word, T Value)> choices)
        where T : struct
    {
        if (Find(name) is not { } value) return null;
        foreach (var (word, choice) in choices)
        {
            if (value.ValueKind == JsonValueKind.String && value.ValueEquals(word)) return choice;
        }

        var words = new List<string>(choices.Length);
        foreach (var (word, _) in choices) words.Add($"\"{word}\"");
        throw Refuse(_path + name, string.Join(" or ", words), value);
    }

    /// <summary>Call last: what was not read is refused.</summary>
    public void NoOthers()
    {
        foreach (var member in _object.EnumerateObject())
        {
            if (_known.Contains(member.Name)) continue;
            var nearest = NearestName.Of(member.Name, _known);
            throw new VmmFaultException(
                $"{_path}{Shorten(member.Name)}: there is no such field.{(nearest is null ? "" : $" Did you mean {nearest}?")} Known here: {string.Join(", ", _known)}.");
        }
    }

    /// <summary>For rules of the field's own: <c>guest_mac: …</c>.</summary>
    public VmmFaultException Fault(string name, string message) => new($"{_path}{name}: {message}");

    private VmmFaultException Missing(string name, string kind) => new($"{_path}{name}: missing. It takes {kind}.");

    private JsonElement? Find(string name)
    {
        _known.Add(name);
        return _object.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    private JsonElement? Find(string name, string kind, JsonValueKind wanted) =>
        Find(name) is not { } value ? null : value.ValueKind == wanted ? value : throw Refuse(_path + name, kind, value);

    private static string Range(long least, long most) =>
        most == long.MaxValue ? $"a whole number, {least} or more" : $"a whole number from {least} to {most}";

    private static VmmFaultException Refuse(string path, string kind, JsonElement value) =>
        new($"{(path.Length == 0 ? "The body" : path)}: must be {kind}; it is {Shorten(value.GetRawText())}.");

    private static string Shorten(string text) => text.Length > 60 ? text[..60] + "…" : text;
}

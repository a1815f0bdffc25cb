using System.Text.Json;

namespace RunnerVm.Vmm.Monitor.Json;

/// <summary>JSON Merge Patch (RFC 7396), straight from two values to text, with each object's members in the order of their names.</summary>
/// <remarks>Recursion is bounded: both sides came through <see cref="JsonBody"/>, so neither is deeper than its limit.</remarks>
internal static class JsonMerge
{
    public static void WriteSorted(Utf8JsonWriter writer, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (var (name, member) in Members(value))
                {
                    writer.WritePropertyName(name);
                    WriteSorted(writer, member);
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in value.EnumerateArray()) WriteSorted(writer, item);
                writer.WriteEndArray();
                break;
            default:
                value.WriteTo(writer);
                break;
        }
    }

    /// <param name="target">What is there; not an object counts as an empty one when the patch is an object.</param>
    public static void WritePatched(Utf8JsonWriter writer, JsonElement? target, JsonElement patch)
    {
        if (patch.ValueKind != JsonValueKind.Object)
        {
            WriteSorted(writer, patch);
            return;
        }

        var old = target is { ValueKind: JsonValueKind.Object } there ? Members(there) : [];
        var changes = Members(patch);
        writer.WriteStartObject();
        foreach (var name in old.Keys.Union(changes.Keys).Order(StringComparer.Ordinal))
        {
            if (!changes.TryGetValue(name, out var change))
            {
                writer.WritePropertyName(name);
                WriteSorted(writer, old[name]);
            }
            else if (change.ValueKind != JsonValueKind.Null)
            {
                writer.WritePropertyName(name);
                WritePatched(writer, old.TryGetValue(name, out var before) ? before : null, change);
            }
        }

        writer.WriteEndObject();
    }

    private static SortedDictionary<string, JsonElement> Members(JsonElement value)
    {
        var members = new SortedDictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var member in value.EnumerateObject()) members[member.Name] = member.Value;
        return members;
    }
}

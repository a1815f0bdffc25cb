using System.Text.Json;

namespace RunnerVm.Vmm.Monitor.Json;

/// <summary>Finds a value by a path of names and array indexes (JSON Pointer, RFC 6901), lenient about slashes as a web server is.</summary>
internal static class JsonPath
{
    public static bool TryFind(JsonElement root, ReadOnlySpan<char> path, out JsonElement found)
    {
        found = root;
        foreach (var part in path.Split('/'))
        {
            var (start, length) = part.GetOffsetAndLength(path.Length);
            if (length > 0 && !TryStep(found, path.Slice(start, length), out found)) return false;
        }

        return true;
    }

    private static bool TryStep(JsonElement value, ReadOnlySpan<char> name, out JsonElement found)
    {
        found = default;
        if (value.ValueKind == JsonValueKind.Object)
        {
            // The order of these two is the RFC's: ~01 is ~1, not a slash.
            return name.Contains('~')
                ? value.TryGetProperty(name.ToString().Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal), out found)
                : value.TryGetProperty(name, out found);
        }

        if (value.ValueKind != JsonValueKind.Array || !IsIndex(name) || !int.TryParse(name, out var index) || index >= value.GetArrayLength()) return false;
        found = value[index];
        return true;
    }

    private static bool IsIndex(ReadOnlySpan<char> name) =>
        !name.ContainsAnyExceptInRange('0', '9') && (name.Length == 1 || name[0] != '0');
}

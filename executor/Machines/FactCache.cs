using System.Text.Json;
using System.Text.Json.Serialization;
using RunnerVm.Store;

namespace RunnerVm.Machines;

/// <summary>
/// What was found out about this host and costs time to find out again, one small file a fact. A fact is believed
/// only while its key is the same: boot id, file times, whatever it depends on.
/// </summary>
internal sealed class FactCache(DataDirectory data)
{
    private readonly string _folder = Path.Combine(data.Root, "facts");

    /// <summary>The remembered value, or null when there is none for this key; a torn file is none.</summary>
    public string? Recall(string name, string key)
    {
        try
        {
            var fact = JsonSerializer.Deserialize(File.ReadAllBytes(PathOf(name)), FactJson.Default.Fact);
            return fact?.Key == key ? fact.Value : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    /// <summary>A cache that cannot be written costs time, not correctness: failure is not told.</summary>
    public void Remember(string name, string key, string value)
    {
        try
        {
            Directory.CreateDirectory(_folder);
            var temporary = $"{PathOf(name)}.{Environment.ProcessId}";
            File.WriteAllBytes(temporary, JsonSerializer.SerializeToUtf8Bytes(new Fact(key, value), FactJson.Default.Fact));
            File.Move(temporary, PathOf(name), overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }
    }

    private string PathOf(string name) => Path.Combine(_folder, name + ".json");
}

internal sealed record Fact(string Key, string Value);

[JsonSerializable(typeof(Fact))]
internal sealed partial class FactJson : JsonSerializerContext;

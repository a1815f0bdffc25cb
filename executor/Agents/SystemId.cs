using System.Security.Cryptography;
using RunnerVm.Store;

namespace RunnerVm.Agents;

/// <summary>
/// What tells this agent from others that share its runner token; GitLab shows one manager for each. Drawn once and kept,
/// because an id made from the host's would be the same for two agents on it.
/// </summary>
internal static class SystemId
{
    private const string Prefix = "r_";

    private const int RandomCharacters = 12;

    public static string Of(DataDirectory data)
    {
        var path = Path.Join(data.Root, "system-id");
        var known = File.Exists(path) ? File.ReadAllText(path).Trim() : "";
        if (known.Length == Prefix.Length + RandomCharacters && known.StartsWith(Prefix, StringComparison.Ordinal)) return known;
        var id = Prefix + RandomNumberGenerator.GetString("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", RandomCharacters);
        File.WriteAllText(path, id + "\n");
        return id;
    }
}

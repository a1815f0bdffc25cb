using System.Security.Cryptography;
using System.Text;

namespace RunnerVm.Sources.GitLab.Caches;

/// <summary>What a cache is called. Keys that GitLab's own runner takes for the same are the same here.</summary>
internal static class CacheKey
{
    /// <summary>Cleaned as a path in a world of its own, where nothing lies above its top; empty when nothing is left.</summary>
    public static string Clean(string key)
    {
        var text = key.Replace("%2f", "/", StringComparison.OrdinalIgnoreCase).Replace("%2e", ".", StringComparison.OrdinalIgnoreCase).Replace('\\', '/');
        var parts = new List<string>();
        foreach (var part in text.Split('/'))
        {
            if (part is "" or ".") continue;
            if (part == "..")
            {
                if (parts.Count > 0) parts.RemoveAt(parts.Count - 1);
            }
            else
            {
                parts.Add(part);
            }
        }

        while (parts.Count > 0 && (parts[^1] = parts[^1].TrimEnd()).Length == 0) parts.RemoveAt(parts.Count - 1);
        return string.Join('/', parts);
    }

    /// <summary>As a file name: a key is written by a job.</summary>
    public static string FileName(string cleanKey) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(cleanKey)));

    /// <summary>Whether a job may name this key by CACHE_FALLBACK_KEY: what protected branches wrote is not for it to name.</summary>
    public static bool MayFallBackTo(string key) => !key.TrimEnd('.', ' ').EndsWith("-protected", StringComparison.Ordinal);
}

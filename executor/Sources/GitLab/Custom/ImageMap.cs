using System.IO.Enumeration;

namespace RunnerVm.Sources.GitLab.Custom;

/// <summary>From the name a job writes under <c>image:</c> to a job image of this host.</summary>
internal static class ImageMap
{
    /// <param name="asked">As in the payload; null when the job asks for none.</param>
    /// <param name="map">PATTERN=IMAGE with <c>*</c> and <c>?</c>, the first that fits.</param>
    /// <param name="otherwise">For every other name, and for none.</param>
    public static string Choose(string? asked, IReadOnlyList<string> map, string otherwise, List<string> problems)
    {
        foreach (var entry in map)
        {
            if (entry.LastIndexOf('=') is var equals and > 0 && equals < entry.Length - 1)
            {
                if (asked is { Length: > 0 } && FileSystemName.MatchesSimpleExpression(entry.AsSpan(0, equals), asked, ignoreCase: false)) return entry[(equals + 1)..];
            }
            else
            {
                problems.Add($"--map-image {entry}: expected PATTERN=IMAGE, for example 'node:*=debian-12-node'");
            }
        }

        return otherwise;
    }
}

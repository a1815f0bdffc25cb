namespace RunnerVm.Vmm.Monitor.Json;

/// <summary>The known name a mistyped one was probably meant to be.</summary>
internal static class NearestName
{
    private const int LongestName = 64;

    /// <summary>Null when nothing is near: more than a third of the letters would have to change.</summary>
    public static string? Of(string name, IEnumerable<string> known)
    {
        if (name.Length > LongestName) return null;
        var (nearest, distance) = ((string?)null, 1 + name.Length / 3);
        foreach (var candidate in known)
        {
            var d = Distance(name, candidate);
            if (d <= distance && (nearest is null || d < distance)) (nearest, distance) = (candidate, d);
        }

        return nearest;
    }

    /// <summary>Letters to insert, remove or exchange.</summary>
    private static int Distance(string a, string b)
    {
        var row = new int[b.Length + 1];
        for (var j = 0; j < row.Length; j++) row[j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j < row.Length; j++)
            {
                var here = Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                (diagonal, row[j]) = (row[j], here);
            }
        }

        return row[^1];
    }
}

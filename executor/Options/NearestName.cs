namespace RunnerVm.Options;

/// <summary>Finds the name somebody meant when they mistyped it.</summary>
internal static class NearestName
{
    /// <summary>Longer words are nobody's typing mistake, and the table below grows with their square.</summary>
    private const int MaximumLength = 64;

    /// <summary>The nearest of <paramref name="names"/>, or null when none is near enough to suggest.</summary>
    public static string? Find(string written, IEnumerable<string> names)
    {
        if (written.Length is 0 or > MaximumLength) return null;
        var typed = Folded(written);
        string? nearest = null;
        var nearestDistance = int.MaxValue;
        foreach (var name in names)
        {
            var distance = Distance(typed, Folded(name));
            var bound = Math.Max(1, Math.Min(typed.Length, name.Length) / 3);
            if (distance > bound && !Abbreviates(typed, Folded(name))) continue;
            if (distance >= nearestDistance) continue;
            (nearest, nearestDistance) = (name, distance);
        }

        return nearest;
    }

    /// <summary>Insertions, deletions, replacements and swaps of neighbours that lead from one word to the other.</summary>
    internal static int Distance(string from, string to)
    {
        var table = new int[from.Length + 1, to.Length + 1];
        for (var i = 0; i <= from.Length; i++) table[i, 0] = i;
        for (var j = 0; j <= to.Length; j++) table[0, j] = j;
        for (var i = 1; i <= from.Length; i++)
        {
            for (var j = 1; j <= to.Length; j++)
            {
                var replaced = table[i - 1, j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
                table[i, j] = Math.Min(replaced, Math.Min(table[i - 1, j], table[i, j - 1]) + 1);
                if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
                {
                    table[i, j] = Math.Min(table[i, j], table[i - 2, j - 2] + 1);
                }
            }
        }

        return table[from.Length, to.Length];
    }

    private static string Folded(string text) => text.ToLowerInvariant().Replace('-', '_');

    private static bool Abbreviates(string one, string other) =>
        Math.Min(one.Length, other.Length) >= 3
        && (one.StartsWith(other, StringComparison.Ordinal) || other.StartsWith(one, StringComparison.Ordinal));
}

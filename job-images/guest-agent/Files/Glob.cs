namespace RunnerVm.GuestAgent.Files;

/// <summary>
/// A path pattern, matched name by name while walking down a tree: <c>*</c>, <c>?</c> and <c>[…]</c> within a name,
/// <c>**</c> for any number of folders, a backslash before a character that stands for itself. What has been matched so
/// far is a set of places in the pattern, one bit each, so a walk knows early which folders cannot hold a match.
/// </summary>
internal sealed class Glob
{
    private const int MaxParts = 62;

    private readonly string[] _parts;

    public Glob(string pattern)
    {
        Pattern = pattern;
        _parts = [.. pattern.Split('/').Where(static p => p is not ("" or "."))];
        if (_parts.Length > MaxParts) throw new TarRefusedException($"The pattern {pattern} has more than {MaxParts} folders.");
    }

    public string Pattern { get; }

    /// <summary>The set at the top folder.</summary>
    public ulong Start => SkipStars(1);

    /// <summary>Whether a set says that the place one has come to matches, and with it all below.</summary>
    public bool IsMatch(ulong places) => (places >> _parts.Length & 1) != 0;

    /// <summary>The set after going into <paramref name="name"/>; 0: nothing there or below can match.</summary>
    public ulong Enter(ulong places, ReadOnlySpan<char> name)
    {
        var next = 0UL;
        for (var i = 0; i < _parts.Length; i++)
        {
            if ((places >> i & 1) == 0) continue;
            if (_parts[i] == "**") next |= 1UL << i;
            else if (MatchesName(_parts[i], name)) next |= 1UL << (i + 1);
        }

        return SkipStars(next);
    }

    /// <summary>Two stars stand for no folder too.</summary>
    private ulong SkipStars(ulong places)
    {
        for (var i = 0; i < _parts.Length; i++)
        {
            if ((places >> i & 1) != 0 && _parts[i] == "**") places |= 1UL << (i + 1);
        }

        return places;
    }

    /// <summary>Iterative, with one place to come back to: time is at most length times length.</summary>
    internal static bool MatchesName(ReadOnlySpan<char> pattern, ReadOnlySpan<char> name)
    {
        var (p, n) = (0, 0);
        var (starPattern, starName) = (-1, 0);
        while (n < name.Length)
        {
            var next = p;
            if (p < pattern.Length && pattern[p] == '*')
            {
                (starPattern, starName) = (++p, n);
            }
            else if (p < pattern.Length && MatchesOne(pattern, ref next, name[n]))
            {
                (p, n) = (next, n + 1);
            }
            else if (starPattern >= 0)
            {
                (p, n) = (starPattern, ++starName);
            }
            else
            {
                return false;
            }
        }

        while (p < pattern.Length && pattern[p] == '*') p++;
        return p == pattern.Length;
    }

    /// <summary>Takes one element of the pattern and compares one character with it.</summary>
    private static bool MatchesOne(ReadOnlySpan<char> pattern, ref int p, char c)
    {
        switch (pattern[p])
        {
            case '?':
                p++;
                return true;
            case '[' when ClosingBracket(pattern, p) is var end and > 0:
                var matches = MatchesSet(pattern[(p + 1)..end], c);
                p = end + 1;
                return matches;
            case '\\' when p + 1 < pattern.Length:
                p += 2;
                return pattern[p - 1] == c;
            default:
                return pattern[p++] == c;
        }
    }

    /// <returns>-1 when there is none: then the bracket stands for itself.</returns>
    private static int ClosingBracket(ReadOnlySpan<char> pattern, int open)
    {
        // A bracket right at the start of the set belongs to it.
        var first = open + 1;
        if (first < pattern.Length && pattern[first] is '!' or '^') first++;
        for (var i = first + 1; i < pattern.Length; i++)
        {
            if (pattern[i] == ']') return i;
        }

        return -1;
    }

    private static bool MatchesSet(ReadOnlySpan<char> set, char c)
    {
        var negated = set[0] is '!' or '^';
        if (negated) set = set[1..];
        for (var i = 0; i < set.Length; i++)
        {
            if (i + 2 < set.Length && set[i + 1] == '-')
            {
                if (c >= set[i] && c <= set[i + 2]) return !negated;
                i += 2;
            }
            else if (set[i] == c)
            {
                return !negated;
            }
        }

        return negated;
    }
}

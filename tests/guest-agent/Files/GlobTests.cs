using FsCheck;
using FsCheck.Xunit;
using RunnerVm.GuestAgent.Files;
using Xunit;

namespace RunnerVm.Tests.GuestAgent.Files;

public sealed class GlobTests
{
    [Theory]
    [InlineData("dist", "dist", true)]
    [InlineData("dist", "dist/a/b.js", true)]
    [InlineData("dist/", "dist/a", true)]
    [InlineData("./dist/**", "dist/a/b", true)]
    [InlineData("dist/**", "other/a", false)]
    [InlineData("*.js", "a.js", true)]
    [InlineData("*.js", "x/a.js", false)]
    [InlineData("**/*.js", "a.js", true)]
    [InlineData("**/*.js", "x/y/a.js", true)]
    [InlineData("**/*.js", "x/y/a.ts", false)]
    [InlineData("a/**/b/**/c", "a/b/c", true)]
    [InlineData("a/**/b/**/c", "a/1/2/b/3/c", true)]
    [InlineData("a/**/b/**/c", "a/1/2/3/c", false)]
    [InlineData("log-?.txt", "log-1.txt", true)]
    [InlineData("log-?.txt", "log-10.txt", false)]
    [InlineData("[a-c]x", "bx", true)]
    [InlineData("[!a-c]x", "bx", false)]
    [InlineData("[]]x", "]x", true)]
    [InlineData("[x", "[x", true)]
    [InlineData("\\*", "*", true)]
    [InlineData("\\*", "a", false)]
    [InlineData("*", ".hidden", true)]
    [InlineData("../x", "x", false)]
    [InlineData(".", "anything/at/all", true)]
    public void A_pattern_matches_what_it_says(string pattern, string path, bool expected) => Assert.Equal(expected, Matches(pattern, path));

    [Fact]
    public void A_folder_that_cannot_hold_a_match_is_known_at_once()
    {
        var glob = new Glob("src/*/out");
        Assert.Equal(0UL, glob.Enter(glob.Start, "node_modules"));
        Assert.NotEqual(0UL, glob.Enter(glob.Start, "src"));
    }

    [Fact]
    public void Many_stars_do_not_take_for_ever() =>
        Assert.False(Matches(string.Concat(Enumerable.Repeat("*a", 60)), new string('a', 5_000) + "b"));

    [Fact]
    public void A_pattern_of_absurd_depth_is_refused() =>
        Assert.Throws<TarRefusedException>(() => new Glob(string.Join('/', Enumerable.Repeat("a", 100))));

    [Property]
    public bool A_name_matches_itself_when_every_character_is_escaped(NonEmptyString text)
    {
        var name = text.Get.Replace("/", "").Replace("\0", "");
        return Glob.MatchesName(string.Concat(name.Select(c => $"\\{c}")), name);
    }

    [Property]
    public bool Stars_match_like_the_plain_recursive_definition(byte[] patternSeed, byte[] nameSeed)
    {
        var pattern = string.Concat(patternSeed.Take(8).Select(b => "ab*?"[b % 4]));
        var name = string.Concat(nameSeed.Take(8).Select(b => "ab"[b % 2]));
        return Glob.MatchesName(pattern, name) == Naive(pattern, name);
    }

    private static bool Naive(string pattern, string name)
    {
        if (pattern.Length == 0) return name.Length == 0;
        if (pattern[0] == '*') return Naive(pattern[1..], name) || (name.Length > 0 && Naive(pattern, name[1..]));
        return name.Length > 0 && (pattern[0] == '?' || pattern[0] == name[0]) && Naive(pattern[1..], name[1..]);
    }

    private static bool Matches(string pattern, string path)
    {
        var glob = new Glob(pattern);
        var places = glob.Start;
        if (glob.IsMatch(places)) return true;
        foreach (var name in path.Split('/'))
        {
            places = glob.Enter(places, name);
            if (glob.IsMatch(places)) return true;
        }

        return false;
    }
}

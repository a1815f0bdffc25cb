using FsCheck.Xunit;
using RunnerVm.Sources.GitLab.Files;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitLab.Files;

public sealed class PathSelectionTests
{
    private const string Project = "/workspace/g/p";

    [Theory]
    [InlineData("out", "out")]
    [InlineData("./out//x/", "out/x")]
    [InlineData("/workspace/g/p/out", "out")]
    [InlineData("/workspace/g/p", "**")]
    [InlineData(".", "**")]
    [InlineData("a/../b", "b")]
    [InlineData("a/..", "**")]
    [InlineData("../p/out", null)]
    [InlineData("a/../../b", null)]
    [InlineData("*/../b", null)]
    [InlineData("/etc/passwd", null)]
    [InlineData("/workspace/g/p2/x", null)]
    public void A_path_is_below_the_project_or_not_taken(string path, string? expected) => Assert.Equal(expected, PathSelection.Inside(path, Project));

    [Property]
    public bool Nothing_that_is_taken_climbs(string? path) =>
        path is null || PathSelection.Inside(path, Project) is not { } inside || (!inside.StartsWith('/') && !inside.Split('/').Contains(".."));

    [Fact]
    public void Braces_are_alternatives_and_variables_are_filled_in()
    {
        var selection = PathSelection.Of(["dist/*.{js,css}", "$OUT", "../x"], ["{a,b{1,2}}"], static p => p.Replace("$OUT", "out", StringComparison.Ordinal), Project);
        Assert.Equal(["dist/*.js", "dist/*.css", "out"], selection.Include);
        Assert.Equal(["a", "b1", "b2"], selection.Exclude.Order());
        Assert.Contains("../x", Assert.Single(selection.Warnings));
    }

    [Fact]
    public void Braces_without_end_stay_as_they_stand()
    {
        var bomb = string.Concat(Enumerable.Repeat("{a,b}", 40));
        Assert.Equal([bomb], PathSelection.Alternatives(bomb));
    }
}

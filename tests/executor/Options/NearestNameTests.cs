using RunnerVm.Options;
using Xunit;

namespace RunnerVm.Tests.Executor.Options;

public sealed class NearestNameTests
{
    private static readonly string[] Names = ["name", "image", "env", "script", "before_script", "after_script", "memory", "working-directory"];

    [Theory]
    [InlineData("scirpt", "script")]
    [InlineData("scripts", "script")]
    [InlineData("Script", "script")]
    [InlineData("before-script", "before_script")]
    [InlineData("working_directory", "working-directory")]
    [InlineData("environment", "env")]
    [InlineData("mem", "memory")]
    [InlineData("imgae", "image")]
    [InlineData("x", null)]
    [InlineData("", null)]
    [InlineData("services", null)]
    public void The_nearest_name_is_suggested_when_it_is_near(string written, string? expected) =>
        Assert.Equal(expected, NearestName.Find(written, Names));

    [Fact]
    public void A_word_of_any_length_is_answered_at_once() => Assert.Null(NearestName.Find(new string('s', 1 << 20), Names));
}

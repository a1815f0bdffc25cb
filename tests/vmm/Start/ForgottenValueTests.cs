using RunnerVm.Vmm.Monitor.Start;
using Xunit;

namespace RunnerVm.Tests.Vmm.Start;

public sealed class ForgottenValueTests
{
    /// <summary>The first one once listened on a socket named --no-api.</summary>
    [Theory]
    [InlineData("--api-sock", "--no-api", "--config-file", "a.json")]
    [InlineData("--id", "--boot-timer")]
    [InlineData("--level")]
    public void Regression_an_option_whose_value_was_forgotten_does_not_swallow_the_next_option(params string[] words)
    {
        var problem = Assert.Throws<ArgumentProblemException>(() => ArgumentParser.Parse(words));
        Assert.StartsWith($"{words[0]} takes a value: {words[0]} ", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_value_that_does_begin_with_hyphens_goes_behind_an_equals_sign() =>
        Assert.Equal("--odd", ArgumentParser.Parse(["--api-sock=--odd"]).ApiSocket);
}

using RunnerVm.Machines.Gvisor;
using Xunit;

namespace RunnerVm.Tests.Executor.Machines.Gvisor;

public sealed class RunscReleaseTests
{
    [Theory]
    [InlineData("runsc version 0.0~20221219.0\nspec: 1.0.2-dev\n", "20221219", "ptrace", false, "root:/d")]
    [InlineData("runsc version 0.0~20240729.0\nspec: 1.2.0\n", "20240729", "systrap", true, "root:dir=/d")]
    [InlineData("runsc version release-20250127.0\nspec: 1.1.0-rc.1\n", "20250127", "systrap", true, "root:dir=/d")]
    [InlineData("runsc version VERSION_MISSING\n", "", "systrap", true, "root:dir=/d")]
    public void The_day_in_a_version_says_what_it_can_do(string said, string name, string platform, bool takesNoAutomount, string overlay)
    {
        var release = RunscRelease.Parse(said);
        Assert.Equal((name, platform, takesNoAutomount, overlay), (release.Name, release.Platform, release.TakesNoAutomount, release.Overlay("/d")));
    }

    [Theory]
    [InlineData("0", "0")]
    [InlineData("0-3,6", "0 1 2 3 6")]
    public void The_processors_we_may_use_are_those_the_kernel_lists(string list, string expected) =>
        Assert.Equal(expected, string.Join(' ', HostCpus.Allowed(["Name:\tx", $"Cpus_allowed_list:\t{list}"])));

    [Fact]
    public void A_sandbox_gets_as_many_processors_as_it_asks_for_or_all_there_are()
    {
        Assert.Single(HostCpus.Choose(1));
        Assert.Equal(HostCpus.Choose(10_000).Distinct().Order(), HostCpus.Choose(20_000));
    }
}

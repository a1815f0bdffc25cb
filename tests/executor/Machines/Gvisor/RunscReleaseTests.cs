using RunnerVm.Machines.Gvisor;
using Xunit;

namespace RunnerVm.Tests.Executor.Machines.Gvisor;

public sealed class RunscReleaseTests
{
    /// <summary>As runsc 0.0~20221219.0 says it.</summary>
    private const string Flags = """
          -overlay2 value
            	wrap mounts with overlayfs. Format is {mount}:{medium}, where 'mount' can be 'root' or 'all' and medium can be 'memory' or existing directory path in which filestore will be created.
          -platform string
            	specifies which platform to use: ptrace (default), kvm. (default "ptrace")
          -platform_device_path string
            	path to a platform-specific device file (e.g. /dev/kvm for KVM platform).
        """;

    [Theory]
    [InlineData("runsc version 0.0~20221219.0\nspec: 1.0.2-dev\n", "20221219", true, "of 2022-12-19")]
    [InlineData("runsc version release-20250127.0\n", "20250127", false, "of 2025-01-27")]
    [InlineData("runsc version VERSION_MISSING\n", "", false, "of unknown day")]
    public void Its_day_is_found_in_its_version(string said, string day, bool refuses, string words)
    {
        var release = RunscRelease.Parse(said, Flags);
        Assert.Equal((day, refuses, words), (release.Day, release.RefusesNoAutomount, release.ToString()));
        Assert.Equal(release, RunscRelease.TryRead(release.ToFact()));
    }

    [Fact]
    public void What_it_can_do_is_what_its_flags_say_and_not_what_a_day_would_promise()
    {
        var plain = RunscRelease.Parse("runsc version 0.0~20221219.0", Flags);
        Assert.Equal(("ptrace", "root:/d"), (plain.Platform, plain.Overlay("/d")));
        var newer = RunscRelease.Parse("", Flags.Replace("ptrace (default), kvm", "systrap (default), ptrace, kvm").Replace("existing directory path", "dir={path}"));
        Assert.Equal(("systrap", "root:dir=/d"), (newer.Platform, newer.Overlay("/d")));
        Assert.Equal(("ptrace", "root:/d"), (RunscRelease.Parse("", "").Platform, RunscRelease.Parse("", "").Overlay("/d")));
    }

    [Theory]
    [InlineData("")]
    [InlineData("20221219")]
    [InlineData("a b c d")]
    public void A_remembered_line_of_another_version_is_not_read(string fact) => Assert.Null(RunscRelease.TryRead(fact));

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

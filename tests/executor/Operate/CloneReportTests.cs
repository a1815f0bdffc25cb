using RunnerVm.Operate.Clones;
using Xunit;

namespace RunnerVm.Tests.Executor.Operate;

public sealed class CloneReportTests
{
    private static readonly DateTimeOffset Asked = DateTimeOffset.UnixEpoch.AddSeconds(1_000_000);
    private static readonly DateTimeOffset Answered = Asked.AddSeconds(1);

    private static readonly string[] Names = ["random", "kernel-uuid", "own-uuid", "boot-id", "machine-id", "hostname", "addresses"];

    [Fact]
    public void Copies_of_which_no_two_are_alike_are_safe()
    {
        var report = CloneReport.Of("qemu", "s", [Copy(1), Copy(2), Copy(3)]);
        Assert.True(report.Safe);
        Assert.Equal((ExitCodes.Ok, null), (report.ExitCode, report.Shared));
        Assert.All(report.Checks, static c => Assert.Equal((3, 3), (c.Distinct, c.Copies)));
        Assert.Contains("no two alike", ClonePage.Lines(report));
    }

    [Theory]
    [InlineData("random")]
    [InlineData("boot-id")]
    [InlineData("hostname")]
    [InlineData("addresses")]
    public void One_thing_that_two_copies_share_fails_the_trial_and_is_named(string name)
    {
        var twin = Copy(1).Facts[name];
        var report = CloneReport.Of("qemu", "s", [Copy(1), Copy(2, name, twin), Copy(3)]);
        Assert.False(report.Safe);
        Assert.Equal(ExitCodes.Failed, report.ExitCode);
        var failed = Assert.Single(report.Checks, static c => !c.Passed);
        Assert.Equal((name, 2, failed.Title), (failed.Name, failed.Distinct, report.Shared));
        Assert.Contains($"2 say {twin}", failed.Detail);
        Assert.Contains("jobs boot theirs", ClonePage.Lines(report));
    }

    [Fact]
    public void What_an_image_cannot_be_asked_is_left_out_but_not_what_one_copy_hides()
    {
        Assert.DoesNotContain(CloneReport.Of("qemu", "s", [Copy(1), Copy(2)]).Checks, static c => c.Name == "ports");
        var hiding = CloneReport.Of("qemu", "s", [Copy(1, "ports", "1,2"), Copy(2)]);
        Assert.Equal("1 did not say", Assert.Single(hiding.Checks, static c => !c.Passed).Detail);
    }

    [Theory]
    [InlineData("1000000500000000", true)]
    [InlineData("999999000000000", false)]
    [InlineData("1000003000000000", false)]
    [InlineData("soon", false)]
    public void A_clock_must_be_right(string clock, bool right)
    {
        var report = CloneReport.Of("qemu", "s", [Copy(1), Parse(2, $"clock {clock}")]);
        Assert.Equal(right, report.Checks.Single(static c => c.Name == "clock").Passed);
    }

    [Fact]
    public void Two_clocks_that_say_the_same_were_not_read_in_two_machines() =>
        Assert.False(CloneReport.Of("qemu", "s", [Parse(1, "clock 1000000500000000"), Parse(2, "clock 1000000500000000")]).Safe);

    [Fact]
    public void What_a_copy_says_is_made_safe_to_print() =>
        Assert.Equal("a [31mb", CloneAnswers.Parse("hostname a\u001b[31mb\n", Asked, Answered).Facts["hostname"]);

    private static CloneAnswers Copy(int number, string? name = null, string? value = null) =>
        Parse(number, $"clock {1000000500000000 + number}{(name is null ? "" : $"\n{name} {value}")}");

    private static CloneAnswers Parse(int number, string more) =>
        CloneAnswers.Parse(string.Join('\n', Names.Select(n => $"{n} {n}-{number}")) + "\n" + more + "\n", Asked, Answered);
}

using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>exec --allow, as far as it is judged before a machine starts; EgressTests and ArticleTests show what it opens.</summary>
public sealed class AllowOptionTests
{
    private const string Job = "job: {script: [echo never], workspace: none}";

    [Fact]
    public async Task Every_wrong_rule_is_told_with_the_way_to_write_it()
    {
        var done = (await Runner.ExecAsync(Job, ["--allow", "https://github.com", "--allow", "host", "--allow", "github.com"])).ExpectExit(2);
        Assert.Contains("--allow https://github.com: a rule names a host", done.Error);
        Assert.Contains("--allow host: the host itself is let in by port only; write host:8080", done.Error);
        Assert.Equal(2, done.Error.Split("--allow").Length - 1);
    }

    [Fact]
    public async Task A_job_without_a_network_cannot_be_allowed_anything()
    {
        var done = (await Runner.ExecAsync(Job, ["--network", "none", "--allow", "github.com"])).ExpectExit(2);
        Assert.Contains("this job has no network", done.Error);
    }
}

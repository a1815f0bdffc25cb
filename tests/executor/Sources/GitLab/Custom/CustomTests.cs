using RunnerVm.Sources.GitLab.Custom;
using RunnerVm.Sources.GitLab.Payload;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitLab.Custom;

public sealed class CustomTests
{
    [Fact]
    public void Options_are_read_as_gitlab_runners_scripts_write_them()
    {
        var read = new ErrandArguments(["--url", "http://x/", "--token=t", "--path", "a b", "--path", "-odd", "--untracked", "--name", "n", "--timeout", "1h0m0s"]);
        Assert.Equal(["a b", "-odd"], read.All("path"));
        Assert.Equal(("http://x/", "t", "n", true, false, ""), (read.Last("url"), read.Last("token"), read.Last("name"), read.Flag("untracked"), read.Flag("verbose"), read.Last("id")));
    }

    [Fact]
    public void A_machine_is_found_by_the_jobs_id_and_token_and_by_nothing_a_job_can_set()
    {
        var payload = new JobResponse { Id = 5, Token = "t" };
        Assert.Equal(CustomJob.RunFolder(payload), CustomJob.RunFolder(payload with { Variables = [new("CI_JOB_ID", "6", true, false, false, false)] }));
        Assert.NotEqual(CustomJob.RunFolder(payload), CustomJob.RunFolder(payload with { Token = "u" }));
        Assert.NotEqual(CustomJob.RunFolder(payload), CustomJob.RunFolder(payload with { Id = 6 }));
        Assert.Matches("^[0-9a-f]{16}$", CustomJob.RunFolder(payload));
    }

    [Theory]
    [InlineData("https://gitlab-ci-token:x@gl.example/g/p.git", "g/p", "https://gl.example/")]
    [InlineData("http://gl.example:8080/sub/g/p.git", "g/p", "http://gl.example:8080/sub")]
    public void The_instance_is_the_repositorys_address_without_the_project(string url, string project, string expected) =>
        Assert.Equal(expected, CustomJob.Server(new() { GitInfo = new() { RepoUrl = url }, JobInfo = new() { ProjectFullPath = project } }).ToString());

    [Theory]
    [InlineData("node:20-alpine", "debian-12-node")]
    [InlineData("registry.example/x/y@sha256:00", "mine")]
    [InlineData("ruby:3", "debian-12")]
    [InlineData(null, "debian-12")]
    public void The_first_pattern_that_fits_chooses_the_image(string? asked, string expected)
    {
        var problems = new List<string>();
        Assert.Equal(expected, ImageMap.Choose(asked, ["node:*=debian-12-node", "registry.example/*=mine", "*20*=never"], "debian-12", problems));
        Assert.Empty(problems);
        ImageMap.Choose("x", ["nonsense"], "d", problems);
        Assert.Single(problems);
    }
}

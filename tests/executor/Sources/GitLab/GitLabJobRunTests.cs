using RunnerVm.Jobs;
using RunnerVm.Sources.GitLab;
using RunnerVm.Sources.GitLab.Stages;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitLab;

public sealed class GitLabJobRunTests
{
    [Fact]
    public void Every_end_of_a_run_has_its_word_at_GitLab()
    {
        Assert.IsType<GitLabOutcome.Succeeded>(Of(new JobOutcome.Succeeded()));
        Assert.IsType<GitLabOutcome.Cancelled>(Of(new JobOutcome.Cancelled()));
        AssertFailed(GitLabFailureReason.ScriptFailure, "exit code 137. memory was full", 137, new JobOutcome.StepFailed("step_script", 137, "memory was full"));
        AssertFailed(GitLabFailureReason.RunnerExternalDependencyFailure, "the sources could not be got (git's exit code 128)", null, new JobOutcome.StepFailed(StageNames.GetSources, 128, null));
        AssertFailed(GitLabFailureReason.RunnerExternalDependencyFailure, "too large", null, new JobOutcome.StepFailed(StageNames.UploadArtifactsOnSuccess, 1, "too large"));
        AssertFailed(GitLabFailureReason.JobExecutionTimeout, "execution took longer than 90 seconds", null, new JobOutcome.TimedOut("The job", TimeSpan.FromSeconds(90)));
        AssertFailed(GitLabFailureReason.ImagePullFailure, "no image", null, new JobOutcome.RunnerFailed(FailureReason.ImageUnavailable, "no image"));
        foreach (var reason in Enum.GetValues<FailureReason>().Except([FailureReason.ImageUnavailable]))
        {
            AssertFailed(GitLabFailureReason.RunnerSystemFailure, "why", null, new JobOutcome.RunnerFailed(reason, "why"));
            Assert.Equal(new GitLabOutcome.NotStarted("why"), GitLabJobRun.Translate(new JobOutcome.RunnerFailed(reason, "why"), started: false));
        }
    }

    [Theory]
    [InlineData("http://u:t@127.0.0.1:8080/g/p.git", true, "host:8080")]
    [InlineData("http://localhost/g/p.git", true, "host:80")]
    [InlineData("https://10.1.2.3/g/p.git", false, "10.1.2.3:443")]
    [InlineData("https://[fd00::1]:8443/g/p.git", false, "[fd00::1]:8443")]
    public async Task Exactly_the_servers_host_and_port_are_opened(string url, bool onLoopback, string rule)
    {
        var access = await ServerAccess.FindAsync(url, TestContext.Current.CancellationToken);
        Assert.Equal(onLoopback, access.OnLoopback);
        Assert.Contains(rule, access.Rules);
        Assert.Equal(["*", .. access.Rules], access.AddTo(NetworkRequest.OpenInternet).Allow!);
        Assert.Equal(["a.example", .. access.Rules], access.AddTo(new(NetworkKind.Filtered, ["a.example"])).Allow!);
        Assert.Null(access.AddTo(new(NetworkKind.None)).Allow);
        foreach (var text in access.Rules) Assert.True(RunnerVm.Egress.NetworkRule.TryParse(text, out _, out var problem), problem);
    }

    [Theory]
    [InlineData("group/../other")]
    [InlineData("/abs")]
    [InlineData("a b")]
    [InlineData("")]
    public void A_project_path_that_is_none_is_refused(string path) =>
        Assert.Throws<JobRefusedException>(() => GuestPaths.For(new() { JobInfo = new() { ProjectFullPath = path } }));

    private static GitLabOutcome Of(JobOutcome outcome) => GitLabJobRun.Translate(outcome, started: true);

    private static void AssertFailed(GitLabFailureReason reason, string message, int? code, JobOutcome outcome) =>
        Assert.Equal(new GitLabOutcome.Failed(reason, message, code), Of(outcome));
}

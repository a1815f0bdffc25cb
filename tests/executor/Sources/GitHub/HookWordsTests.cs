using RunnerVm.Sources.GitHub.Hooks;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitHub;

public sealed class HookWordsTests
{
    [Fact]
    public void A_job_is_told_by_repository_run_attempt_workflow_and_name()
    {
        var job = HookWords.ReadJob(["job-started", "acme/app", "900", "2", "ci", "build"])!;
        Assert.Equal(("acme/app run 900, build", "ci", 2), (job.ToString(), job.Workflow, job.Attempt));
    }

    [Theory]
    [InlineData("job-started")]
    [InlineData("job-started", "acme/app", "-1", "1", "ci", "build")]
    [InlineData("job-started", "acme/app", "900", "1", "ci", "build", "more")]
    [InlineData("job-completed", "acme/app", "900", "1", "ci", "build")]
    public void Anything_else_is_no_job(params string[] arguments) => Assert.Null(HookWords.ReadJob(arguments));

    [Fact]
    public void What_a_stranger_says_is_one_bounded_line()
    {
        var job = HookWords.ReadJob(["job-started", "acme/app\u001b[31m\nrun", "900", "x", new string('w', 10_000), "\u202ebuild"])!;
        Assert.Equal(("acme/app [31m run", "build", 0), (job.Repository, job.Name, job.Attempt));
        Assert.InRange(job.Workflow!.Length, 1, 500);
    }

    [Theory]
    [InlineData("[2026-11-25 17:20:57Z INFO StepsRunner] Processing step: DisplayName='Build it's way'", "Build it's way", null)]
    [InlineData("[2026-11-25 17:20:57Z INFO StepsRunner] Update job result with current step result 'Failed'.", null, "Failed")]
    [InlineData("[2026-11-25 17:20:57Z INFO StepsRunner] No need for updating job result with current step result 'Skipped'.", null, "Skipped")]
    [InlineData("[2026-11-25 17:20:57Z INFO StepsRunner] Processing step: DisplayName='current step result 'Failed''", "current step result 'Failed'", null)]
    public void Steps_are_read_off_the_workers_own_lines(string line, string? begins, string? result) =>
        Assert.Equal(new StepWord(begins, result), HookWords.ReadStep(["step", line]));

    [Theory]
    [InlineData("")]
    [InlineData("Processing step: DisplayName='")]
    [InlineData("Processing step: DisplayName=")]
    [InlineData("current step result")]
    public void Other_lines_are_no_steps(string line) => Assert.Null(HookWords.ReadStep(["step", line]));
}

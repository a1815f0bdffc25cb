using RunnerVm.Jobs;
using Xunit;

namespace RunnerVm.Tests.Executor.Jobs;

public sealed class StepPlanTests
{
    [Theory]
    [InlineData(null, "bash --noprofile --norc -eo pipefail {0}|sh -e {0}")]
    [InlineData("bash", "bash --noprofile --norc -eo pipefail {0}")]
    [InlineData("sh", "sh -e {0}")]
    [InlineData("python", "python3 -u {0}")]
    [InlineData("python3", "python3 -u {0}")]
    [InlineData("perl", "perl {0}")]
    [InlineData("  ruby   -w ", "ruby -w {0}")]
    [InlineData("node --file={0} last", "node --file={0} last")]
    public void A_shell_becomes_command_lines(string? shell, string expected)
    {
        var request = StepPlan.ToRequest(JobBench.Job("x"), new() { Name = "s", Script = "text", Shell = shell, WorkingDirectory = "sub" });
        Assert.Equal(expected, string.Join('|', request.Candidates.Select(static c => string.Join(' ', c))));
        Assert.Equal(("text", "sub", false), (request.Script, request.WorkingDirectory, request.Input));
    }

    [Fact]
    public void The_nearest_variable_wins()
    {
        var job = JobBench.Job("x") with
        {
            Environment = new Dictionary<string, string> { ["A"] = "job", ["B"] = "job", ["C"] = "job", ["CI"] = "no" },
            Secrets = [new("B", "secret"), new("C", "secret")],
        };
        var environment = StepPlan.ToRequest(job, job.Steps[0] with { Environment = new Dictionary<string, string> { ["C"] = "step" } }).Environment;
        Assert.Equal(("job", "secret", "step", "no"), (environment["A"], environment["B"], environment["C"], environment["CI"]));
        Assert.Equal(("true", "bench-1", "bench", "/workspace"), (environment["RUNNERVM"], environment["RUNNERVM_JOB_ID"], environment["RUNNERVM_JOB_NAME"], environment["RUNNERVM_WORKSPACE"]));
    }

    [Theory]
    [InlineData(nameof(StepCondition.Success), true, false)]
    [InlineData(nameof(StepCondition.Failure), false, true)]
    [InlineData(nameof(StepCondition.Always), true, true)]
    public void A_condition_is_asked_of_what_happened(string condition, bool afterSuccess, bool afterFailure)
    {
        var parsed = Enum.Parse<StepCondition>(condition);
        Assert.Equal((afterSuccess, afterFailure), (StepPlan.Runs(parsed, failed: false), StepPlan.Runs(parsed, failed: true)));
    }
}

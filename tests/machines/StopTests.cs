using System.Diagnostics;
using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>Timeouts and Ctrl-C: the job's processes end, then the machine, and the exit code says why.</summary>
public sealed class StopTests
{
    private const string Polite = """
        job:
          workspace: none
          steps:
            - run: |
                trap 'echo asked to stop; exit 0' TERM
                echo started
                while :; do sleep 0.2; done
            - {run: echo the next step, if: always}
        """;

    private const string Stubborn = """
        job:
          workspace: none
          steps:
            - run: |
                trap '' TERM INT
                echo started
                while :; do sleep 0.2; done
        """;

    [Fact]
    public async Task A_job_that_takes_too_long_is_stopped_with_124()
    {
        var done = (await Runner.ExecAsync("job: {script: [sleep 1000], workspace: none}\nrunner: {timeout: 12s}")).ExpectExit(124);
        Assert.Contains("The job took longer than 12", done.LastLineOfError);
        Leftovers.AssertNone();
    }

    [Fact]
    public async Task A_step_that_takes_too_long_is_stopped_with_all_it_started_and_what_always_runs_runs()
    {
        const string Job = """
            job:
              workspace: none
              steps:
                - {name: slow, timeout: 2s, run: "(sleep 1001 & sleep 1002; echo not reached)"}
                - {run: echo not reached either}
                - {if: always, run: "sleep 0.5; echo sleepers: $(cat /proc/[0-9]*/comm | grep -c sleep)"}
            """;
        var done = (await Runner.ExecAsync(Job)).ExpectExit(124);
        Assert.Contains("'slow' took longer than 2", done.LastLineOfError);
        Assert.Equal("sleepers: 0\n", done.Output);
    }

    [Fact]
    public async Task Ctrl_C_while_running_asks_the_steps_processes_and_runs_no_further_step()
    {
        using var job = RunningJob.Start(Polite);
        await job.WaitForOutputAsync("started");
        job.Signal("INT");
        var done = (await job.FinishAsync()).ExpectExit(130);
        Assert.Contains("asked to stop", done.Output);
        Assert.DoesNotContain("the next step\\n", done.Output);
        Leftovers.AssertNone();
    }

    [Fact]
    public async Task A_process_that_ignores_the_question_is_killed_after_the_grace()
    {
        using var job = RunningJob.Start(Stubborn);
        await job.WaitForOutputAsync("started");
        var start = Stopwatch.GetTimestamp();
        job.Signal("INT");
        (await job.FinishAsync()).ExpectExit(130);
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalSeconds, 9.5, 25);
        Leftovers.AssertNone();
    }

    [Fact]
    public async Task A_second_Ctrl_C_ends_it_at_once()
    {
        using var job = RunningJob.Start(Stubborn);
        await job.WaitForOutputAsync("started");
        job.Signal("INT");
        await Task.Delay(TimeSpan.FromSeconds(1));
        var start = Stopwatch.GetTimestamp();
        job.Signal("INT");
        (await job.FinishAsync()).ExpectExit(130);
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalSeconds, 0, 5);
        Leftovers.AssertNone();
    }

    [Theory]
    [InlineData("preparing", 0)]
    [InlineData("booting", 0)]
    [InlineData("booting", 700)]
    [InlineData("collecting", 0)]
    public async Task Ctrl_C_in_another_phase_ends_the_job_there(string phase, int milliseconds)
    {
        using var folder = new TestFolder();
        var target = folder.File("out");
        using var job = RunningJob.Start(
            "job: {steps: [truncate -s 4G large], workspace: none, artifacts: [large]}\nrunner: {disk: 10GB}", ["--artifacts", target]);
        await job.WaitForPhaseAsync(phase);
        await Task.Delay(milliseconds);
        var start = Stopwatch.GetTimestamp();
        job.Signal("INT");
        (await job.FinishAsync()).ExpectExit(130);
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalSeconds, 0, 10);
        Assert.False(Path.Exists(target));
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
        Leftovers.AssertNone();
    }

    [Fact]
    public async Task A_terminal_that_closes_stops_the_job_like_Ctrl_C()
    {
        using var job = RunningJob.Start(Polite);
        await job.WaitForOutputAsync("started");
        job.Signal("HUP");
        (await job.FinishAsync()).ExpectExit(130);
        Leftovers.AssertNone();
    }
}

using Microsoft.Extensions.Time.Testing;
using RunnerVm.Sources.GitHub.Runners;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitHub;

public sealed class RunnerFleetTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly RunnerFleet _fleet;

    public RunnerFleetTests() => _fleet = new("rvm-", _time);

    [Fact]
    public void Each_wish_is_given_out_once()
    {
        _fleet.Want(2);
        using var first = _fleet.TryBegin();
        using var second = _fleet.TryBegin();
        Assert.NotNull(first);
        Assert.NotNull(second);
        Assert.Null(_fleet.TryBegin());
        Assert.NotEqual(first.Name, second.Name);
        Assert.StartsWith("rvm-", first.Name);
    }

    [Fact(Timeout = 10_000)]
    public async Task Who_waits_is_woken_by_a_wish_and_by_a_runner_that_ended_without_a_job()
    {
        var waiting = _fleet.WaitAsync(TestContext.Current.CancellationToken);
        Assert.False(waiting.IsCompleted);
        _fleet.Want(1);
        await waiting;
        var runner = _fleet.TryBegin()!;
        waiting = _fleet.WaitAsync(TestContext.Current.CancellationToken);
        Assert.False(waiting.IsCompleted);
        runner.Dispose();
        await waiting;
        Assert.NotNull(_fleet.TryBegin());
    }

    [Fact]
    public void A_job_that_claims_to_be_another_is_called_so_only_until_GitHub_says_which_it_is()
    {
        _fleet.Want(1);
        var runner = _fleet.TryBegin()!;
        runner.Identified(new("victim/app", "release", 1));
        Assert.Null(runner.Confirmed);
        Assert.Equal("victim/app run 1, release", runner.Job?.ToString());
        Assert.True(_fleet.JobStarted(runner.Name, new("acme/app", "build", 7)));
        runner.Identified(new("victim/app", "release", 1));
        Assert.Equal("acme/app run 7, build", runner.Confirmed?.ToString());
        Assert.Equal(runner.Confirmed, runner.Job);
    }

    [Fact]
    public void A_runner_that_had_its_job_stands_for_it_until_GitHub_says_that_it_is_over()
    {
        _fleet.Want(1);
        var runner = _fleet.TryBegin()!;
        _fleet.JobStarted(runner.Name, null);
        runner.Dispose();
        // GitHub's count is still of before.
        _fleet.Want(1);
        Assert.Null(_fleet.TryBegin());
        _fleet.JobCompleted(runner.Name, "succeeded");
        Assert.NotNull(_fleet.TryBegin());
    }

    [Fact]
    public void A_runner_whose_end_GitHub_never_tells_does_not_stand_for_its_job_for_ever()
    {
        _fleet.Want(1);
        var runner = _fleet.TryBegin()!;
        runner.Enter(RunnerState.Busy);
        runner.Dispose();
        Assert.Null(_fleet.TryBegin());
        _time.Advance(TimeSpan.FromMinutes(3));
        Assert.NotNull(_fleet.TryBegin());
    }

    [Fact]
    public void A_completion_that_comes_before_the_machine_is_gone_counts_the_same()
    {
        _fleet.Want(1);
        var runner = _fleet.TryBegin()!;
        runner.Enter(RunnerState.Busy);
        _fleet.JobCompleted(runner.Name, "succeeded");
        Assert.Null(_fleet.TryBegin());
        runner.Dispose();
        Assert.NotNull(_fleet.TryBegin());
    }

    [Fact(Timeout = 10_000)]
    public async Task Surplus_runners_are_asked_to_go_the_newest_first_and_never_one_with_a_job()
    {
        _fleet.Want(3);
        var runners = Enumerable.Range(0, 3).Select(_ => _fleet.TryBegin()!).ToList();
        runners[2].Enter(RunnerState.Busy);
        var retired = new TaskCompletionSource();
        runners[1].Retired.Register(retired.SetResult);
        _fleet.Want(2);
        await retired.Task.WaitAsync(TestContext.Current.CancellationToken);
        Assert.False(runners[0].Retired.IsCancellationRequested);
        Assert.False(runners[2].Retired.IsCancellationRequested);
        runners.ForEach(static r => r.Dispose());
        Assert.Equal(0, _fleet.Live);
    }

    [Theory]
    [InlineData(RunnerState.Beginning, RunnerState.Booting, RunnerState.Booting)]
    [InlineData(RunnerState.Booting, RunnerState.Busy, RunnerState.Busy)]
    [InlineData(RunnerState.Busy, RunnerState.Listening, RunnerState.Busy)]
    [InlineData(RunnerState.Ended, RunnerState.Busy, RunnerState.Ended)]
    internal void A_runner_only_moves_forward(RunnerState from, RunnerState to, RunnerState after)
    {
        _fleet.Want(1);
        var runner = _fleet.TryBegin()!;
        runner.Enter(from);
        runner.Enter(to);
        Assert.Equal(after, runner.State);
    }
}

using RunnerVm.Agents;
using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Sources.GitLab;
using RunnerVm.Tests.Executor.Sources.GitLab;
using Serilog;
using Xunit;

namespace RunnerVm.Tests.Executor.Agents;

/// <summary>Many jobs: capacity, draining, refusals. What runs them is a function; the wire and the server are real.</summary>
public sealed class DaemonTests
{
    private static readonly TimeSpan Patience = GitLabBench.Patience;

    [Fact]
    public async Task Of_many_queued_jobs_each_ends_once_and_no_more_run_than_there_is_room_for()
    {
        await using var bench = await GitLabBench.StartAsync();
        var jobs = Enumerable.Range(0, 60).Select(i => bench.Server.Queue($"job {i}", ["true"])).ToList();
        var running = 0;
        var most = 0;
        var hello = bench.Run;
        bench.Run = async assignment =>
        {
            InterlockedMax(ref most, Interlocked.Increment(ref running));
            var outcome = await hello(assignment);
            Interlocked.Decrement(ref running);
            return outcome;
        };
        using var stop = new AgentStop();
        var daemon = Daemon(bench, stop, new(4, new(3, 4096))).RunAsync();
        await bench.Server.WaitAsync(() => jobs.All(static j => j.IsOver), Patience, "the end of all");
        stop.Drain();
        await daemon.WaitAsync(Patience, CancellationToken.None);
        Assert.All(jobs, static job => Assert.Equal(("success", 1, 1), (job.State, job.HandedOver, job.Ended)));
        Assert.InRange(most, 1, 3);
        Assert.InRange(bench.Server.MostBusy, 1, 3);
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task Draining_finishes_what_runs_and_takes_nothing_more()
    {
        await using var bench = await GitLabBench.StartAsync();
        var first = bench.Server.Queue("first", ["true"]);
        var begun = new TaskCompletionSource();
        var release = new TaskCompletionSource();
        bench.Run = async assignment =>
        {
            await assignment.MachineReadyAsync();
            begun.SetResult();
            await release.Task;
            return new GitLabOutcome.Succeeded();
        };
        using var stop = new AgentStop();
        var daemon = Daemon(bench, stop, new(1, new(1, 1024))).RunAsync();
        await begun.Task.WaitAsync(Patience, CancellationToken.None);
        var second = bench.Server.Queue("second", ["true"]);
        stop.Drain();
        release.SetResult();
        await daemon.WaitAsync(Patience, CancellationToken.None);
        Assert.Equal(("success", "queued"), (first.State, second.State));
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task Aborting_ends_what_runs_as_interrupted()
    {
        await using var bench = await GitLabBench.StartAsync();
        var job = bench.Server.Queue("long", ["sleep 1000"]);
        var begun = new TaskCompletionSource();
        bench.Run = async assignment =>
        {
            await assignment.MachineReadyAsync();
            begun.SetResult();
            var aborted = new TaskCompletionSource();
            await using var registration = assignment.Stop.Aborted.Register(aborted.SetResult);
            await aborted.Task;
            return new GitLabOutcome.Cancelled();
        };
        using var stop = new AgentStop();
        var daemon = Daemon(bench, stop, new(1, new(1, 1024))).RunAsync();
        await begun.Task.WaitAsync(Patience, CancellationToken.None);
        stop.Abort();
        await daemon.WaitAsync(Patience, CancellationToken.None);
        Assert.Equal(("failed", "runner_interrupted"), (job.State, job.FailureReason));
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task A_runner_that_is_refused_three_times_is_left_alone()
    {
        await using var bench = await GitLabBench.StartAsync();
        bench.Server.AnswerNext("POST", "/jobs/request", 403, count: 3);
        var job = bench.Server.Queue("never", ["true"]);
        using var stop = new AgentStop();
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
        var lonely = new TaskCompletionSource();
        var log = new LoggerConfiguration().WriteTo.Sink(new Watch("left alone", lonely)).CreateLogger();
        var loop = new ForgeLoop(bench.Forge, new(1, new(1, 1024)), stop, log, time).RunAsync();
        while (!lonely.Task.IsCompleted)
        {
            time.Advance(TimeSpan.FromMilliseconds(20));
            await Task.Yield();
        }

        time.Advance(TimeSpan.FromMinutes(59));
        Assert.Equal("queued", job.State);
        stop.Drain();
        await loop.WaitAsync(Patience, CancellationToken.None);
        Assert.Equal(0, bench.Server.Requests);
        Assert.Empty(bench.Server.Violations);
    }

    [Fact]
    public async Task Two_instances_and_two_runners_of_one_share_the_room_and_each_is_asked()
    {
        await using var one = await GitLabBench.StartAsync();
        await using var two = await GitLabBench.StartAsync();
        two.Server.RequestsByToken.Add("glrt-t2_secondRunner0002", 0);
        using var second = new GitLabForge(two.Options with { Name = "second", Token = "glrt-t2_secondRunner0002" }, two.Host);
        var jobs = Enumerable.Range(0, 20).Select(i => (i % 2 == 0 ? one : two).Server.Queue($"job {i}", ["true"])).ToList();
        using var stop = new AgentStop();
        var daemon = new Daemon(
            [one.Forge, two.Forge, second], new(2, new(2, 4096)), new OrphanSweeper(new RunLedger(one.Data, TimeProvider.System), TimeProvider.System), stop, new LoggerConfiguration().CreateLogger(), TimeProvider.System).RunAsync();
        await one.Server.WaitAsync(() => jobs.Where((_, i) => i % 2 == 0).All(static j => j.IsOver), Patience, "the end of the first's");
        await two.Server.WaitAsync(() => jobs.Where((_, i) => i % 2 == 1).All(static j => j.IsOver), Patience, "the end of the second's");
        stop.Drain();
        await daemon.WaitAsync(Patience, CancellationToken.None);
        Assert.All(jobs, static job => Assert.Equal(("success", 1, 1), (job.State, job.HandedOver, job.Ended)));
        Assert.All(one.Server.RequestsByToken.Concat(two.Server.RequestsByToken), static token => Assert.True(token.Value > 0, token.Key));
        one.AssertNothingIsLeft();
        two.AssertNothingIsLeft();
    }

    private static Daemon Daemon(GitLabBench bench, AgentStop stop, Capacity capacity) => new(
        [bench.Forge], capacity, new OrphanSweeper(new RunLedger(bench.Data, TimeProvider.System), TimeProvider.System), stop, new LoggerConfiguration().CreateLogger(), TimeProvider.System);

    private static void InterlockedMax(ref int most, int value)
    {
        for (var seen = Volatile.Read(ref most); seen < value; seen = Volatile.Read(ref most)) Interlocked.CompareExchange(ref most, value, seen);
    }

    /// <summary>Completes when something is logged.</summary>
    private sealed class Watch(string text, TaskCompletionSource seen) : Serilog.Core.ILogEventSink
    {
        public void Emit(Serilog.Events.LogEvent logEvent)
        {
            if (logEvent.RenderMessage(System.Globalization.CultureInfo.InvariantCulture).Contains(text, StringComparison.Ordinal)) seen.TrySetResult();
        }
    }
}

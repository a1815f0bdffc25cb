using System.Text;
using RunnerVm.Sources;
using RunnerVm.Sources.GitLab;
using RunnerVm.Sources.GitLab.Traces;
using RunnerVm.Sources.GitLab.Wire;
using RunnerVm.Tests.StandIns.GitLab;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitLab;

/// <summary>One job at a time between our side of the protocol and a strict server's.</summary>
public sealed class WireTests
{
    private static readonly TimeSpan Patience = GitLabBench.Patience;

    [Fact]
    public async Task A_job_that_succeeds_is_told_with_its_whole_log()
    {
        await using var bench = await GitLabBench.StartAsync();
        var job = bench.Server.Queue("hello", ["echo hello"]);
        await bench.RunNextAsync();
        Assert.Equal("success", job.State);
        Assert.Null(job.FailureReason);
        Assert.Equal(1, job.Ended);
        Assert.Matches(@"^\S+Z 00O Running with runnervm ", job.TraceText);
        Assert.Matches(@"(?m)^\S+Z 01O hello$", job.TraceText);
        Assert.EndsWith("Job succeeded\e[0;m\n", job.TraceText);
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task A_failure_carries_reason_and_exit_code()
    {
        await using var bench = await GitLabBench.StartAsync();
        bench.Run = static async job =>
        {
            await job.MachineReadyAsync();
            return new GitLabOutcome.Failed(GitLabFailureReason.ScriptFailure, "exit code 42", 42);
        };
        var job = bench.Server.Queue("fails", ["exit 42"]);
        await bench.RunNextAsync();
        Assert.Equal(("failed", "script_failure", 42), (job.State, job.FailureReason, job.ExitCode));
        Assert.Contains("ERROR: Job failed: exit code 42", job.TraceText);
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task A_job_without_a_machine_goes_back_to_the_queue_and_is_not_failed()
    {
        await using var bench = await GitLabBench.StartAsync();
        bench.Server.ReturnAfter = TimeSpan.FromMilliseconds(200);
        bench.Run = static _ => Task.FromResult<GitLabOutcome>(new GitLabOutcome.NotStarted("no machine today"));
        var job = bench.Server.Queue("unlucky", ["true"]);
        await bench.RunNextAsync();
        Assert.Equal("waiting", job.State);
        bench.AssertNothingIsLeft();

        bench.Run = static async again => await again.MachineReadyAsync() ? new GitLabOutcome.Succeeded() : new GitLabOutcome.Cancelled();
        while (await bench.Forge.AskAsync(CancellationToken.None) is var answer && job.State == "waiting")
        {
            if (answer is not ForgeAnswer.Job { Run: var run }) continue;
            await run.RunAsync(CancellationToken.None);
            break;
        }

        Assert.Equal((2, "success"), (job.HandedOver, job.State));
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task On_a_server_without_two_phases_a_job_without_a_machine_fails_by_our_fault()
    {
        await using var bench = await GitLabBench.StartAsync();
        bench.Server.TwoPhase = false;
        bench.Run = async job =>
        {
            // Long enough for the server to have said that it knows no second phase.
            await Task.Delay(300);
            return new GitLabOutcome.NotStarted("no machine today");
        };
        var job = bench.Server.Queue("unlucky", ["true"]);
        await bench.RunNextAsync();
        Assert.Equal(("failed", "runner_system_failure"), (job.State, job.FailureReason));
        Assert.Contains("no machine today", job.TraceText);
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task While_the_machine_boots_the_job_is_kept_and_its_log_waits()
    {
        await using var bench = await GitLabBench.StartAsync();
        var job = bench.Server.Queue("slow boot", ["true"]);
        bench.Run = async assignment =>
        {
            await bench.Server.WaitAsync(() => job.KeepAlives > 0, Patience, "a keep-alive");
            Assert.Equal(("waiting", 0), (job.State, job.Patches));
            return await assignment.MachineReadyAsync() ? new GitLabOutcome.Succeeded() : new GitLabOutcome.Cancelled();
        };
        await bench.RunNextAsync();
        Assert.Equal("success", job.State);
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task Output_arrives_while_the_job_runs_and_is_asked_for_by_the_servers_clock()
    {
        await using var bench = await GitLabBench.StartAsync();
        bench.Server.UpdateInterval = 1;
        var job = bench.Server.Queue("chatty", ["true"]);
        bench.Run = async assignment =>
        {
            await assignment.MachineReadyAsync();
            await assignment.Trace.WriteAsync(TraceStream.JobOutput, "one\n"u8.ToArray());
            await bench.Server.WaitAsync(() => job.TraceText.Contains("01O one", StringComparison.Ordinal), Patience, "the first line");
            await assignment.Trace.WriteAsync(TraceStream.JobError, "two\n"u8.ToArray());
            await bench.Server.WaitAsync(() => job.TraceText.Contains("01E two", StringComparison.Ordinal), Patience, "the second line");
            return new GitLabOutcome.Succeeded();
        };
        await bench.RunNextAsync();
        Assert.Equal("success", job.State);
        bench.AssertNothingIsLeft();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Cancelling_reaches_the_job(bool gracefully)
    {
        await using var bench = await GitLabBench.StartAsync();
        bench.Server.UpdateInterval = 1;
        var job = bench.Server.Queue("cancelled", ["sleep 1000"]);
        bench.Run = async assignment =>
        {
            await assignment.MachineReadyAsync();
            await assignment.Trace.WriteAsync(TraceStream.JobOutput, "begun\n"u8.ToArray());
            await bench.Server.WaitAsync(() => job.Patches > 0, Patience, "the first line");
            bench.Server.Cancel(job, gracefully);
            await assignment.Trace.WriteAsync(TraceStream.JobOutput, "more\n"u8.ToArray());
            await Until(assignment.Stop.Canceling);
            if (gracefully)
            {
                Assert.False(assignment.Stop.Aborted.IsCancellationRequested);
                await assignment.Trace.WriteAsync(TraceStream.JobOutput, "after_script\n"u8.ToArray());
            }
            else await Until(assignment.Stop.Aborted);
            return new GitLabOutcome.Cancelled();
        };
        await bench.RunNextAsync();
        Assert.Equal("canceled", job.State);
        Assert.Equal(gracefully, job.TraceText.Contains("after_script", StringComparison.Ordinal));
        Assert.Equal(gracefully ? 1 : 0, job.Ended);
        bench.AssertNothingIsLeft();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_job_that_says_nothing_shows_that_it_lives_and_hears_that_it_is_cancelled_or_gone(bool gone)
    {
        await using var server = await GitLabStandIn.StartAsync();
        using var http = new GitLabHttp(new(server.Url), TimeProvider.System);
        var queued = server.Queue("silent", ["sleep 1000"]);
        Assert.IsType<JobAnswer.Job>(await new RunnerConnection(http, GitLabStandIn.RunnerToken, "r_1").RequestAsync(CancellationToken.None));
        var connection = new JobConnection(http, queued.Id, queued.Token);
        await connection.UpdateAsync("running", CancellationToken.None);

        var folder = Directory.CreateTempSubdirectory("rvsilent");
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
        using var file = TraceFile.Create(Path.Join(folder.FullName, "log"));
        using var stop = new GitLabStop();
        using var ended = new CancellationTokenSource();
        file.Append("begun\n"u8);
        var sending = new TraceUpload(new JobConnection(http, queued.Id, queued.Token), file, stop, time).RunAsync(Task.CompletedTask, ended.Token);
        await server.WaitAsync(() => queued.Patches == 1, Patience, "the first line");
        if (gone) server.AnswerNext("PUT", $"/jobs/{queued.Id}", 404);
        else server.Cancel(queued, gracefully: true);
        using var patience = new CancellationTokenSource(Patience);
        while (!stop.Canceling.IsCancellationRequested)
        {
            patience.Token.ThrowIfCancellationRequested();
            time.Advance(TimeSpan.FromSeconds(3));
            await Task.Delay(5, CancellationToken.None);
        }

        Assert.Equal((1, !gone), (queued.Patches, queued.Touches > 0));
        Assert.Equal((gone, gone ? GitLabStopReason.Disowned : GitLabStopReason.Canceled), (stop.Aborted.IsCancellationRequested, stop.Reason));
        await ended.CancelAsync();
        await sending.WaitAsync(Patience, CancellationToken.None);
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task The_cursor_of_one_answer_goes_with_the_next_question()
    {
        await using var bench = await GitLabBench.StartAsync();
        bench.Server.Queue("first", ["true"]);
        await bench.RunNextAsync();
        Assert.IsType<ForgeAnswer.Nothing>(await bench.Forge.AskAsync(CancellationToken.None));
        Assert.Null(bench.Server.LastCursor);
        Assert.IsType<ForgeAnswer.Nothing>(await bench.Forge.AskAsync(CancellationToken.None));
        Assert.NotNull(bench.Server.LastCursor);
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task An_interrupted_job_says_so()
    {
        await using var bench = await GitLabBench.StartAsync();
        bench.Server.Queue("interrupted", ["sleep 1000"]);
        var begun = new TaskCompletionSource();
        bench.Run = async assignment =>
        {
            await assignment.MachineReadyAsync();
            begun.SetResult();
            await Until(assignment.Stop.Aborted);
            return new GitLabOutcome.Cancelled();
        };
        using var job = await bench.TakeAsync();
        var running = job.RunAsync(CancellationToken.None);
        await begun.Task.WaitAsync(Patience);
        job.Interrupt();
        await running.WaitAsync(Patience);
        await bench.Server.WaitAsync(() => bench.Server.Busy == 0, Patience, "the end");
        bench.AssertNothingIsLeft();
    }

    private static async Task Until(CancellationToken token)
    {
        var reached = new TaskCompletionSource();
        await using var registration = token.Register(reached.SetResult);
        await reached.Task.WaitAsync(Patience, CancellationToken.None);
    }
}

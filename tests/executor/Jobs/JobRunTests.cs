using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Jobs;
using RunnerVm.Logs;
using RunnerVm.Machines;
using Xunit;

namespace RunnerVm.Tests.Executor.Jobs;

public sealed class JobRunTests : IDisposable
{
    private readonly JobBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public async Task A_job_that_succeeds_goes_through_all_phases_and_says_so_in_order()
    {
        Directory.CreateDirectory(_bench["work"]);
        await File.WriteAllTextAsync(_bench["work/file"], "x");
        var job = JobBench.Job("echo one", "err two") with { Workspace = new(_bench["work"]), Artifacts = new() { Paths = ["out"] } };
        Assert.IsType<JobOutcome.Succeeded>(await _bench.RunAsync(job));
        Assert.Equal(Enum.GetValues<JobPhase>().Skip(1), _bench.Sink.Phases);
        Assert.Equal(("one", "two"), (_bench.Sink.Output, _bench.Sink.Errors));
        Assert.Equal("one", await File.ReadAllTextAsync(Path.Join(_bench.Artifacts, "out/a")));
        var kinds = _bench.Sink.Events.Where(static e => e is not JobEvent.Transfer { Finished: false }).Select(static e => e.GetType().Name);
        Assert.Equal(
            ["PhaseEntered", "PhaseEntered", "PhaseEntered", "MachineReady", "PhaseEntered", "Transfer", "StepStarted", "Output", "StepFinished",
             "StepStarted", "Output", "StepFinished", "PhaseEntered", "Transfer", "ArtifactsStored", "PhaseEntered", "PhaseEntered", "JobFinished"],
            kinds);
    }

    [Theory]
    [InlineData("exit 3", 3, null)]
    [InlineData("exit 255", 255, null)]
    [InlineData("signal 11", 139, "SIGSEGV")]
    [InlineData("signal 64", 192, "signal(7)")]
    [InlineData("oom", 137, "memory")]
    [InlineData("error no such shell", 127, "no such shell")]
    public async Task A_step_that_fails_decides_and_the_next_ones_are_skipped(string script, int code, string? diagnosis)
    {
        var failed = Assert.IsType<JobOutcome.StepFailed>(await _bench.RunAsync(JobBench.Job(script, "echo never")));
        Assert.Equal(("step 0", code), (failed.Step, failed.ExitCode));
        if (diagnosis is null) Assert.Null(failed.Diagnosis);
        else Assert.Contains(diagnosis, failed.Diagnosis);
        Assert.Equal(1, Assert.Single(_bench.Sink.Events.OfType<JobEvent.StepSkipped>()).Index);
        Assert.Empty(_bench.Sink.Output);
    }

    [Fact]
    public async Task Conditions_choose_steps_and_the_first_failure_stays_the_outcome()
    {
        var job = JobBench.Job();
        job = job with
        {
            Steps =
            [
                new() { Name = "tolerated", Script = "echo a\nexit 9", ContinueOnError = true },
                new() { Name = "not yet", Script = "echo X", Condition = StepCondition.Failure },
                new() { Name = "fails", Script = "echo b\nexit 4" },
                new() { Name = "skipped", Script = "echo X" },
                new() { Name = "cleans", Script = "echo c\nexit 5", Condition = StepCondition.Failure },
                new() { Name = "always", Script = "echo d", Condition = StepCondition.Always },
            ],
        };
        var failed = Assert.IsType<JobOutcome.StepFailed>(await _bench.RunAsync(job));
        Assert.Equal(("fails", 4), (failed.Step, failed.ExitCode));
        Assert.Equal("abcd", _bench.Sink.Output);
        Assert.Equal([1, 3], _bench.Sink.Events.OfType<JobEvent.StepSkipped>().Select(static e => e.Index));
    }

    [Fact]
    public async Task A_secret_is_masked_in_output_names_and_reasons()
    {
        var job = JobBench.Job("echo hunter2\necho secret\nerr x\nerror because of hunter2secret") with { Secrets = [new("TOKEN", "hunter2secret")] };
        job = job with { Steps = [job.Steps[0] with { Name = "use hunter2secret" }] };
        Assert.IsType<JobOutcome.StepFailed>(await _bench.RunAsync(job));
        Assert.Equal("***", _bench.Sink.Output);
        Assert.DoesNotContain("hunter2secret", string.Join('\n', _bench.Sink.Events));
        Assert.Contains("because of ***", string.Join('\n', _bench.Sink.Events));
    }

    [Theory]
    [InlineData("hang")]
    [InlineData("stubborn")]
    [InlineData("deaf")]
    public async Task The_jobs_timeout_ends_any_step(string script)
    {
        var job = JobBench.Job(script, "echo never") with { Timeout = TimeSpan.FromSeconds(10) };
        var over = Assert.IsType<JobOutcome.TimedOut>(await _bench.RunAsync(job));
        Assert.Equal(("The job", job.Timeout), (over.What, over.Limit));
        Assert.Empty(_bench.Sink.Output);
    }

    [Theory]
    [InlineData("hang")]
    [InlineData("stubborn")]
    public async Task A_steps_timeout_ends_it_and_the_job_goes_on_as_after_a_failure(string script)
    {
        var job = JobBench.Job(script, "echo never", "echo after");
        job = job with
        {
            Steps = [job.Steps[0] with { Timeout = TimeSpan.FromSeconds(4) }, job.Steps[1], job.Steps[2] with { Condition = StepCondition.Always }],
        };
        var over = Assert.IsType<JobOutcome.TimedOut>(await _bench.RunAsync(job));
        Assert.Equal("Step 'step 0'", over.What);
        Assert.Equal("after", _bench.Sink.Output);
    }

    [Fact]
    public async Task Regression_a_step_that_outlives_its_timeout_and_its_kill_is_timed_out_and_not_cancelled()
    {
        var job = JobBench.Job("deaf", "echo never");
        job = job with { Steps = [job.Steps[0] with { Timeout = TimeSpan.FromSeconds(4) }, job.Steps[1] with { Condition = StepCondition.Always }] };
        var over = Assert.IsType<JobOutcome.TimedOut>(await _bench.RunAsync(job));
        Assert.Equal("Step 'step 0'", over.What);
        Assert.Contains("killed", Assert.Single(_bench.Sink.Events.OfType<JobEvent.StepFinished>()).Diagnosis);
        Assert.Empty(_bench.Sink.Output);
    }

    [Theory]
    [InlineData(nameof(JobPhase.Claimed))]
    [InlineData(nameof(JobPhase.Preparing))]
    [InlineData(nameof(JobPhase.Booting))]
    [InlineData(nameof(JobPhase.Running))]
    [InlineData(nameof(JobPhase.Collecting))]
    public async Task A_job_is_cancelled_in_any_phase(string phase)
    {
        _bench.Sink.Before = e =>
        {
            if (e is JobEvent.PhaseEntered entered && entered.Phase.ToString() == phase) _bench.Stop.Ask();
            return Task.CompletedTask;
        };
        var job = JobBench.Job("echo x") with { Artifacts = new() { Paths = ["out"] } };
        Assert.IsType<JobOutcome.Cancelled>(await _bench.RunAsync(job));
        Assert.False(Directory.Exists(_bench.Artifacts));
    }

    [Theory]
    [InlineData(nameof(JobPhase.Booting))]
    [InlineData(nameof(JobPhase.Running))]
    [InlineData(nameof(JobPhase.Collecting))]
    public async Task A_guest_that_hangs_in_any_phase_does_not_hold_a_cancelled_job(string phase)
    {
        static Task Hang(GuestChannel channel, FakeMachine machine) => Task.Delay(Timeout.Infinite, machine.Gone);
        var plain = new ScriptedAgent();
        var agent = new ScriptedAgent
        {
            OnThaw = phase == nameof(JobPhase.Booting) ? Hang : plain.OnThaw,
            OnExec = phase == nameof(JobPhase.Running) ? Hang : plain.OnExec,
            OnTarOut = phase == nameof(JobPhase.Collecting) ? Hang : plain.OnTarOut,
        };
        _bench.Sink.Before = e =>
        {
            if (e is JobEvent.PhaseEntered entered && entered.Phase.ToString() == phase) _ = Task.Delay(100).ContinueWith(_ => _bench.Stop.Ask(), TaskScheduler.Default);
            return Task.CompletedTask;
        };
        Assert.IsType<JobOutcome.Cancelled>(await _bench.RunAsync(JobBench.Job("echo x") with { Artifacts = new() { Paths = ["out"] } }, agent));
    }

    [Fact]
    public async Task Regression_a_guest_that_does_not_take_the_workspace_does_not_hold_a_cancelled_job()
    {
        Directory.CreateDirectory(_bench["work"]);
        await File.WriteAllBytesAsync(_bench["work/large"], new byte[3 << 20]);
        var agent = new ScriptedAgent
        {
            OnTarIn = (channel, machine) =>
            {
                _ = Task.Delay(200).ContinueWith(_ => _bench.Stop.Ask(), TaskScheduler.Default);
                return Task.Delay(Timeout.Infinite, machine.Gone);
            },
        };
        Assert.IsType<JobOutcome.Cancelled>(await _bench.RunAsync(JobBench.Job("echo x") with { Workspace = new(_bench["work"]) }, agent));
    }

    [Fact]
    public async Task A_second_interrupt_waits_for_nothing()
    {
        _bench.Sink.Before = e =>
        {
            if (e is JobEvent.StepStarted) _ = Task.Delay(50).ContinueWith(_ => _bench.Stop.Abandon(), TaskScheduler.Default);
            return Task.CompletedTask;
        };
        var started = TimeProvider.System.GetTimestamp();
        Assert.IsType<JobOutcome.Cancelled>(await _bench.RunAsync(JobBench.Job("deaf")));
        Assert.InRange(TimeProvider.System.GetElapsedTime(started), TimeSpan.Zero, TimeSpan.FromSeconds(15));
    }

    [Theory]
    [InlineData("die 1", "status 1: engine: the")]
    [InlineData("die 137", "killed from outside")]
    [InlineData("die 0", "powered itself off")]
    [InlineData("panic", "Kernel panic - not syncing: Attempted to kill init!.")]
    public async Task A_machine_that_dies_in_a_step_is_told_in_a_sentence(string script, string said)
    {
        var lost = Assert.IsType<JobOutcome.RunnerFailed>(await _bench.RunAsync(JobBench.Job($"echo x\n{script}")));
        Assert.Equal(FailureReason.MachineLost, lost.Reason);
        Assert.Contains(said, lost.Message);
    }

    [Theory]
    [InlineData(ChannelKind.Thaw, nameof(FailureReason.MachineNotStarted))]
    [InlineData(ChannelKind.TarIn, nameof(FailureReason.MachineLost))]
    [InlineData(ChannelKind.TarOut, nameof(FailureReason.MachineLost))]
    public async Task A_machine_that_dies_in_any_phase_is_told_in_a_sentence(ChannelKind at, string reason)
    {
        Directory.CreateDirectory(_bench["work"]);
        await File.WriteAllBytesAsync(_bench["work/large"], new byte[3 << 20]);
        Func<GuestChannel, FakeMachine, Task>? die = static (_, machine) =>
        {
            machine.Die(139);
            return Task.CompletedTask;
        };
        var plain = new ScriptedAgent();
        var agent = new ScriptedAgent
        {
            OnThaw = at == ChannelKind.Thaw ? die : plain.OnThaw,
            OnTarIn = at == ChannelKind.TarIn ? die : plain.OnTarIn,
            OnTarOut = at == ChannelKind.TarOut ? die : plain.OnTarOut,
        };
        var job = JobBench.Job("echo x") with { Workspace = new(_bench["work"]), Artifacts = new() { Paths = ["out"] } };
        var lost = Assert.IsType<JobOutcome.RunnerFailed>(await _bench.RunAsync(job, agent));
        Assert.Equal(reason, lost.Reason.ToString());
        Assert.Contains("139", lost.Message);
        Assert.False(Path.Exists(_bench.Artifacts) || Path.Exists(ArtifactFolder.Unfinished(_bench.Artifacts)));
    }

    [Fact]
    public async Task Regression_a_stream_that_ends_under_a_running_machine_is_a_lost_machine()
    {
        var lost = Assert.IsType<JobOutcome.RunnerFailed>(await _bench.RunAsync(JobBench.Job("hangup")));
        Assert.Equal(FailureReason.MachineLost, lost.Reason);
        Assert.Contains("closed its stream", lost.Message);
    }

    [Fact]
    public async Task An_agent_that_never_says_hello_is_given_up_after_the_boot_timeout()
    {
        using var bench = new JobBench { BootTimeout = TimeSpan.FromSeconds(6) };
        var failed = Assert.IsType<JobOutcome.RunnerFailed>(await bench.RunAsync(JobBench.Job("echo x"), static machine => Task.Delay(Timeout.Infinite, machine.Gone)));
        Assert.Equal(FailureReason.MachineNotStarted, failed.Reason);
        Assert.Contains("did not answer within 6 s", failed.Message);
    }

    [Fact]
    public async Task Regression_a_thaw_that_fails_is_a_machine_that_did_not_start()
    {
        var agent = new ScriptedAgent { OnThaw = static (channel, _) => ScriptedAgent.Close(channel, new ThawResult { Error = "no \u001b[2Jdisk\u202e" }) };
        var failed = Assert.IsType<JobOutcome.RunnerFailed>(await _bench.RunAsync(JobBench.Job("echo x"), agent));
        Assert.Equal((FailureReason.MachineNotStarted, "The guest could not be made ready: no  [2Jdisk"), (failed.Reason, failed.Message));
    }

    [Fact]
    public async Task Regression_a_secret_on_the_console_is_not_kept_on_the_host()
    {
        var job = JobBench.Job("console last words: hunter2secret") with { Secrets = [new("TOKEN", "hunter2secret")] };
        Assert.IsType<JobOutcome.RunnerFailed>(await _bench.RunAsync(job));
        Assert.Equal("last words: ***", await File.ReadAllTextAsync(Path.Join(_bench.Data.Logs, "bench-1.console.txt")));
        foreach (var file in Directory.EnumerateFiles(_bench.Data.Root, "*", SearchOption.AllDirectories).Where(static f => new FileInfo(f).Length < 1 << 20))
            Assert.DoesNotContain("hunter2secret", await File.ReadAllTextAsync(file));
    }

    [Fact]
    public async Task An_engine_that_does_not_start_and_files_that_cannot_be_made_are_told_apart()
    {
        var refused = await _bench.RunAsync(JobBench.Job("echo x"), new FakeEngine(static _ => Task.CompletedTask) { Refusal = new MachineException("QEMU ended at once.") });
        Assert.Equal(new JobOutcome.RunnerFailed(FailureReason.MachineNotStarted, "QEMU ended at once."), refused);
        using var bench = new JobBench { Preparing = static _ => throw new UserException(ExitCodes.RunnerFailed, "No such image.") };
        Assert.Equal(new JobOutcome.RunnerFailed(FailureReason.ImageUnavailable, "No such image."), await bench.RunAsync(JobBench.Job("echo x")));
    }

    [Fact]
    public async Task A_guest_that_cannot_unpack_the_workspace_says_why()
    {
        Directory.CreateDirectory(_bench["work"]);
        await File.WriteAllBytesAsync(_bench["work/large"], new byte[3 << 20]);
        var agent = new ScriptedAgent { OnTarIn = static (channel, _) => ScriptedAgent.Close(channel, new TarResult { Error = "the disk is full" }) };
        var failed = await _bench.RunAsync(JobBench.Job("echo x") with { Workspace = new(_bench["work"]) }, agent);
        Assert.Equal(new JobOutcome.RunnerFailed(FailureReason.TransferFailed, "the disk is full"), failed);
    }

    [Fact]
    public async Task A_workspace_that_does_not_exist_is_told_with_what_to_do()
    {
        var failed = Assert.IsType<JobOutcome.RunnerFailed>(await _bench.RunAsync(JobBench.Job("echo x") with { Workspace = new(_bench["nowhere"]) }));
        Assert.Equal(FailureReason.TransferFailed, failed.Reason);
        Assert.Contains("no such folder", failed.Message);
    }
}

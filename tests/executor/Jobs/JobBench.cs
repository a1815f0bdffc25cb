using System.Text;
using RunnerVm.Guests;
using RunnerVm.Images;
using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Logs;
using RunnerVm.Store;
using Xunit;

namespace RunnerVm.Tests.Executor.Jobs;

/// <summary>Runs whole jobs in this process, with a script for an agent, and checks what must hold for each of them.</summary>
internal sealed class JobBench : IDisposable
{
    /// <summary>Longer than any job here may take, whatever its agent does.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _root = Directory.CreateTempSubdirectory("rvjob").FullName;

    public JobBench() => Stop = new(Time, StepSequence.Grace);

    public TimeProvider Time { get; } = new HurriedTime(20);

    public StopRequest Stop { get; }

    public RecordingSink Sink { get; init; } = new();

    public DataDirectory Data => new(Path.Join(_root, "data"));

    public string Artifacts => Path.Join(_root, "new", "artifacts");

    public TimeSpan BootTimeout { get; init; } = TimeSpan.FromMinutes(10);

    public Func<CancellationToken, Task>? Preparing { get; init; }

    public string this[string name] => Path.Join(_root, name);

    public static Job Job(params string[] scripts) => new()
    {
        Id = "bench-1",
        Name = "bench",
        Image = "none",
        Machine = new() { DiskBytes = ScratchDisks.MinimumBytes },
        Steps = [.. scripts.Select(static (s, i) => new Step { Name = $"step {i}", Script = s })],
    };

    public Task<JobOutcome> RunAsync(Job job, ScriptedAgent? agent = null) => RunAsync(job, (agent ?? new()).RunAsync);

    public Task<JobOutcome> RunAsync(Job job, Func<FakeMachine, Task> agent) => RunAsync(job, new FakeEngine(agent));

    public async Task<JobOutcome> RunAsync(Job job, FakeEngine engine)
    {
        var ledger = new RunLedger(Data, Time);
        await using var log = new JobLog(Sink, new SecretMasker(job.Secrets.Select(static s => s.Value)), Time);
        var host = new JobHost
        {
            Data = Data,
            Ledger = ledger,
            PrepareFiles = async (_, _, token) =>
            {
                if (Preparing is not null) await Preparing(token);
                return new("kernel", "initramfs", "root");
            },
            ScratchDisks = new(Data, Time),
            Engine = engine,
            Time = Time,
            BootTimeout = BootTimeout,
            ArtifactsPath = Artifacts,
        };

        var outcome = await new JobRun(job, new LocalWork(job, host, log, Stop), host, log, Stop).RunAsync().WaitAsync(Patience);
        CheckAfterwards(ledger, engine, outcome);
        return outcome;
    }

    public void Dispose()
    {
        Stop.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    private void CheckAfterwards(RunLedger ledger, FakeEngine engine, JobOutcome outcome)
    {
        Assert.Empty(ledger.Folders());
        Assert.True(engine.Machine?.IsDisposed ?? true);
        var phases = Sink.Phases;
        Assert.Equal(phases.Order().Distinct(), phases);
        Assert.Equal([JobPhase.Destroying, JobPhase.Done], phases.TakeLast(2));
        var finished = Assert.IsType<JobEvent.JobFinished>(Sink.Events[^1]);
        Assert.Equal(outcome.GetType(), finished.Outcome.GetType());
        Assert.Equal(JobExit.Code(outcome), finished.ExitCode);
        if (outcome is not JobOutcome.RunnerFailed failed) return;
        Assert.DoesNotContain("please report", failed.Message);
        Assert.DoesNotContain(failed.Message, static c => char.IsControl(c));
        Assert.InRange(failed.Message.Length, 10, 1200);
    }
}

/// <summary>Keeps all events and the output as text.</summary>
internal sealed class RecordingSink : IJobSink
{
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _errors = new();
    private readonly List<JobEvent> _events = [];

    /// <summary>Awaited before an event is taken.</summary>
    public Func<JobEvent, Task>? Before { get; set; }

    public IReadOnlyList<JobEvent> Events => _events;

    public IReadOnlyList<JobPhase> Phases => [.. _events.OfType<JobEvent.PhaseEntered>().Select(static e => e.Phase)];

    public IReadOnlyList<string> Notices => [.. _events.OfType<JobEvent.Notice>().Select(static e => e.Text)];

    public string Output => _output.ToString();

    public string Errors => _errors.ToString();

    public long Bytes { get; private set; }

    /// <summary>False: output is counted and dropped.</summary>
    public bool KeepsOutput { get; init; } = true;

    public async ValueTask WriteAsync(JobEvent jobEvent, CancellationToken cancellationToken)
    {
        if (Before is not null) await Before(jobEvent);
        if (jobEvent is JobEvent.Output output)
        {
            Bytes += output.Bytes.Length;
            if (!KeepsOutput) return;
            (output.Stream == OutputStream.StandardOutput ? _output : _errors).Append(Encoding.UTF8.GetString(output.Bytes.Span));
            jobEvent = output with { Bytes = default };
        }

        _events.Add(jobEvent);
    }
}

/// <summary>Timers that run so many times faster than they say; the clock itself is the real one.</summary>
internal sealed class HurriedTime(int factor) : TimeProvider
{
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        new Hurried(System.CreateTimer(callback, state, Sooner(dueTime), Sooner(period)), this);

    private TimeSpan Sooner(TimeSpan time) => time > TimeSpan.Zero ? time / factor : time;

    private sealed class Hurried(ITimer timer, HurriedTime time) : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => timer.Change(time.Sooner(dueTime), time.Sooner(period));

        public void Dispose() => timer.Dispose();

        public ValueTask DisposeAsync() => timer.DisposeAsync();
    }
}

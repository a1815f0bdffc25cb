using RunnerVm.Jobs;
using RunnerVm.Machines;
using RunnerVm.Tests.GuestProtocol;

namespace RunnerVm.Tests.Executor.Jobs;

/// <summary>Starts machines that are one task of this process: an agent at the other end of a stream in memory.</summary>
internal sealed class FakeEngine(Func<FakeMachine, Task> agent) : IMachineEngine
{
    public string Name => "fake";

    public Isolation Isolation => Isolation.Kernel;

    /// <summary>Thrown instead of a start.</summary>
    public Exception? Refusal { get; init; }

    /// <summary>The last machine it started.</summary>
    public FakeMachine? Machine { get; private set; }

    public Task<EngineAvailability> CheckAvailabilityAsync(CancellationToken cancellationToken) => Task.FromResult(new EngineAvailability(true, "fake"));

    public Task<Machine> StartAsync(MachineSpec spec, CancellationToken cancellationToken)
    {
        if (Refusal is not null) throw Refusal;
        File.Delete(spec.ScratchDiskPath);
        Machine = new(agent);
        return Task.FromResult<Machine>(Machine);
    }
}

/// <summary>A machine whose agent is a test's script, and that dies when told to.</summary>
internal sealed class FakeMachine : Machine
{
    private readonly TaskCompletionSource<MachineExit> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _gone = new();
    private readonly Stream _host;
    private readonly Task _agent;
    private string _console = "";

    public FakeMachine(Func<FakeMachine, Task> agent)
    {
        (_host, GuestEnd) = DuplexPair.Create();
        _agent = Task.Run(() => agent(this));
    }

    public override Stream GuestStream => _host;

    /// <summary>What the agent reads and writes.</summary>
    public Stream GuestEnd { get; }

    /// <summary>The machine has been ended; an agent that goes on forever ends here.</summary>
    public CancellationToken Gone => _gone.Token;

    public bool IsDisposed { get; private set; }

    public override int ProcessId => Environment.ProcessId;

    public override Task<MachineExit> Exited => _exited.Task;

    public override string ConsoleTail => _console;

    /// <summary>The process ends, then its stream, as with a real one.</summary>
    public void Die(int exitCode, string standardError = "", string console = "")
    {
        _console = console;
        _exited.TrySetResult(new(exitCode, standardError));
        GuestEnd.Dispose();
    }

    public override async ValueTask DisposeAsync()
    {
        if (IsDisposed) return;
        IsDisposed = true;
        await _gone.CancelAsync();
        _exited.TrySetResult(new(137, ""));
        await _host.DisposeAsync();
        await GuestEnd.DisposeAsync();
        await _agent.WaitAsync(TimeSpan.FromSeconds(10)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}

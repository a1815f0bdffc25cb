using RunnerVm.Leases;

namespace RunnerVm.Machines.Gvisor;

/// <summary>
/// A running sandbox: runsc, which we started, and the processes it started, which die with it. What bounds its memory is
/// a look every <see cref="LookInterval"/>: no kernel of its own does it, and cgroups are not for everybody.
/// </summary>
internal sealed class SandboxMachine : Machine
{
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(10);

    /// <summary>128 and SIGXFSZ: a file has met its bound (setrlimit(2), RLIMIT_FSIZE). gVisor has no way to say "disk full" to the job.</summary>
    private const int FileTooLarge = 128 + 25;

    /// <summary>gVisor's own, beside the job's: the sentry's heap and tables, the gofer.</summary>
    private const long OwnShare = 128L << 20;

    private readonly EngineProcess _process;
    private readonly Stream _guestStream;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _watching;
    private string? _bound;

    /// <param name="process">Owned.</param>
    /// <param name="guestStream">Owned.</param>
    public SandboxMachine(EngineProcess process, Stream guestStream, MachineSpec spec, TimeProvider time)
    {
        (_process, _guestStream, _time) = (process, guestStream, time);
        Exited = JudgeAsync();
        _watching = WatchMemoryAsync(spec.MemoryMib);
    }

    public override Stream GuestStream => _guestStream;

    public override int ProcessId => _process.ProcessId;

    public override Task<MachineExit> Exited { get; }

    public override string ConsoleTail => _process.OutputTail;

    /// <summary>Ends runsc and waits for all it has started; they end by its parent-death signal, a moment later.</summary>
    public override async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var processes = ProcessTree.IdentitiesOf(_process.ProcessId);
        await _process.DisposeAsync();
        await _guestStream.DisposeAsync();
        await WaitForAsync(processes);
    }

    private async Task WaitForAsync(IReadOnlyList<ProcessIdentity> processes)
    {
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(2), _time);
        var start = _time.GetTimestamp();
        // Not our children, so nothing announces their end.
        while (processes.Any(static p => p.IsRunning()) && _time.GetElapsedTime(start) < EndLimit) await tick.WaitForNextTickAsync();
    }

    private async Task WatchMemoryAsync(int memoryMib)
    {
        var limit = ((long)memoryMib << 20) + OwnShare;
        using var tick = new PeriodicTimer(LookInterval, _time);
        while (await tick.WaitForNextTickAsync(_stop.Token))
        {
            if (ProcessTree.MemoryOf(_process.ProcessId).OwnBytes <= limit) continue;
            _bound = $"The sandbox's memory ({memoryMib} MiB) was full. Give it more by 'runner: memory:' or --memory.";
            await _process.DisposeAsync();
            return;
        }
    }

    /// <summary>Says in words why it ended, where the reason is one of our bounds.</summary>
    private async Task<MachineExit> JudgeAsync()
    {
        var exit = await _process.Exited;
        if (exit.ExitCode == FileTooLarge) _bound ??= "The sandbox's disk was full. Give it more by 'runner: disk:' or --disk.";
        return exit with { Bound = _bound };
    }
}

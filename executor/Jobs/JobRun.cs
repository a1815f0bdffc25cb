using RunnerVm.Egress;
using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Images;
using RunnerVm.Leases;
using RunnerVm.Logs;
using RunnerVm.Machines;
using RunnerVm.Snapshots;

namespace RunnerVm.Jobs;

/// <summary>
/// The whole life of one job. Each phase takes what the one before made, and the language's reverse order of disposal
/// gives everything back: guest, machine, scratch disk, lease. Whatever happens there is exactly one outcome.
/// </summary>
internal sealed class JobRun(Job job, IJobWork work, JobHost host, JobLog log, StopRequest stop)
{
    private JobPhase _phase = JobPhase.Queued;
    private long _phaseStarted = host.Time.GetTimestamp();
    private Lease? _lease;
    private JobEgress? _egress;

    /// <summary>What the job was denied on the network, most often asked for first; complete when the run is over.</summary>
    public IReadOnlyList<EgressDestination> Denied => _egress?.Denied ?? [];

    /// <summary>Runs the job to its end. Does not throw for anything the job, the guest or the host does.</summary>
    public async Task<JobOutcome> RunAsync()
    {
        var timedOut = false;
        await using var timer = host.Time.CreateTimer(_ =>
        {
            timedOut = !stop.Asked.IsCancellationRequested;
            stop.Ask();
        }, null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

        var outcome = await RunToOutcomeAsync(timer);
        if (timedOut) outcome = new JobOutcome.TimedOut("The job", job.Timeout);
        await EnterAsync(JobPhase.Done);
        await log.FinishAsync(outcome);
        return outcome;
    }

    /// <param name="timer">Of the job; runs from the machine's start, so that building an image is not the job's time.</param>
    private async Task<JobOutcome> RunToOutcomeAsync(ITimer timer)
    {
        try
        {
            await EnterAsync(JobPhase.Claimed);
            await using var lease = _lease = host.Ledger.Take(job.Id, job.RunFolder);
            await using var orders = new StopOrders(lease.Directory, stop, host.Time);

            await EnterAsync(JobPhase.Preparing);
            var files = await host.PrepareFiles(job, log, stop.Asked);
            var spec = Spec(lease, files);
            await using var waiting = await TakeWaitingAsync(files);
            var snapshot = waiting is null ? await FindSnapshotAsync(files) : null;
            if (waiting is null && snapshot is null) await MakeScratchDiskAsync(spec);

            await EnterAsync(JobPhase.Booting);
            timer.Change(job.Timeout, Timeout.InfiniteTimeSpan);
            await using var egress = _egress = host.OpenEgress(job, log);
            if (waiting is not null)
            {
                if (await WakeAsync(waiting, egress, lease) is { } awake) return await RunInMachineAsync(waiting, awake, egress, lease);
                await MakeScratchDiskAsync(spec);
            }

            if (snapshot is not null)
            {
                await using var restored = await RestoreAsync(spec, snapshot, egress, lease);
                if (restored is not null) return await RunInMachineAsync(restored.Machine, restored.Guest, egress, lease);
                await MakeScratchDiskAsync(spec);
            }

            await using var machine = await host.Engine.StartAsync(spec, stop.Asked);
            lease.Record(_phase, machine.ProcessId);
            return await RunInMachineAsync(machine, null, egress, lease);
        }
        catch (Exception e)
        {
            return Outcome(e);
        }
        finally
        {
            if (_phase < JobPhase.Destroying) await EnterAsync(JobPhase.Destroying);
        }
    }

    /// <summary>All that needs the machine; a failure is judged here, while the machine can still be asked what happened.</summary>
    /// <param name="thawed">The session with its agent, where that has been thawed; owned from here on.</param>
    private async Task<JobOutcome> RunInMachineAsync(Machine machine, GuestSession? thawed, JobEgress egress, Lease lease)
    {
        try
        {
            JobOutcome outcome;
            await using (var guest = thawed ?? await ConnectAsync(machine, egress, restored: false))
            {
                await EnterAsync(JobPhase.Running);
                outcome = await work.RunAsync(guest, lease);

                await EnterAsync(JobPhase.Collecting);
                outcome = await work.CollectAsync(guest, outcome, lease);
                machine.BeginEnd();
                await EnterAsync(JobPhase.Destroying);
            }

            // While the machine goes: no channel is left that could need it.
            await egress.DisposeAsync();
            return outcome;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return await JudgeAsync(e, machine);
        }
        finally
        {
            // Said before the machine goes, so that the phase's time is the time it takes.
            if (_phase < JobPhase.Destroying) await EnterAsync(JobPhase.Destroying);
        }
    }

    private async Task<Machine?> TakeWaitingAsync(MachineFiles files)
    {
        if (host.Warm is null) return null;
        var (machine, said) = await host.Warm.TakeAsync(MachineKind.Of(job, files), stop.Asked);
        if (said is not null) await log.NoticeAsync(said);
        return machine;
    }

    /// <returns>The session with its agent, which is thawed; null, after a notice, when it did not answer. Nothing of the job has been told to it then.</returns>
    private async Task<GuestSession?> WakeAsync(Machine waiting, JobEgress egress, Lease lease)
    {
        lease.Record(_phase, waiting.ProcessId);
        try
        {
            return await ConnectAsync(waiting, egress, restored: true);
        }
        catch (Exception e) when (e is IOException or MachineException or GuestFailedException or ProtocolException)
        {
            await waiting.DisposeAsync();
            await log.NoticeAsync($"The machine that waited did not wake up: {UntrustedText.Line(e.Message)} This one boots.");
            return null;
        }
    }

    private async Task<Snapshot?> FindSnapshotAsync(MachineFiles files)
    {
        if (host.Snapshots is null) return null;
        var found = await host.Snapshots.FindAsync(MachineKind.Of(job, files), stop.Asked);
        if (found.ThrownAway is { } why) await log.NoticeAsync($"The snapshot of this kind of machine was thrown away: {why}. This one boots.");
        if (found.Shared is { } shared)
            await log.NoticeAsync($"No machine is restored on this host, because copies share {shared} by the last \"runnervm doctor --clones\". This one boots.");
        return found.Snapshot;
    }

    /// <returns>A machine that is itself; null, after a notice, when none woke up. Nothing of the job has been told to it then.</returns>
    private async Task<RestoredMachine?> RestoreAsync(MachineSpec spec, Snapshot snapshot, JobEgress egress, Lease lease)
    {
        Machine? machine = null;
        try
        {
            machine = await host.Snapshots!.RestoreAsync(spec, snapshot, stop.Asked);
            // The guest runs and waits for its host's first word.
            var connecting = ConnectAsync(machine, egress, restored: true);
            lease.Record(_phase, machine.ProcessId);
            return new(machine, await connecting);
        }
        catch (Exception e)
        {
            if (machine is not null) await machine.DisposeAsync();
            if (e is not (IOException or UnauthorizedAccessException or MachineException or GuestFailedException or ProtocolException)) throw;
            File.Delete(spec.ScratchDiskPath);
            host.Snapshots!.Discard(e.Message);
            await log.NoticeAsync($"No machine woke up from the snapshot {snapshot.Name}, which was thrown away: {UntrustedText.Line(e.Message)} This one boots.");
            return null;
        }
    }

    private Task MakeScratchDiskAsync(MachineSpec spec) => host.ScratchDisks.CreateAsync(spec.ScratchDiskPath, job.Machine.DiskBytes, stop.Asked);

    private async Task<GuestSession> ConnectAsync(Machine machine, JobEgress egress, bool restored)
    {
        var limit = restored ? host.RestoreTimeout : host.BootTimeout;
        using var deadline = new CancellationTokenSource(limit, host.Time);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(stop.Asked, deadline.Token);
        GuestSession? guest = null;
        try
        {
            guest = await GuestSession.ConnectAsync(machine.GuestStream, (channel, ended) => ServeAsync(channel, egress, ended), patience.Token);
            var thaw = await guest.ThawAsync(GuestIdentity.For(job, host.Time), patience.Token);
            await log.MachineReadyAsync(host.Engine.Name, thaw.KernelRelease, restored, thaw.BootMilliseconds, thaw.ThawMilliseconds);
            return guest;
        }
        catch (Exception e)
        {
            if (guest is not null) await guest.DisposeAsync();
            if (e is not OperationCanceledException || stop.Asked.IsCancellationRequested) throw;
            throw new MachineException($"The agent in the machine did not answer within {limit.TotalSeconds:0} s.");
        }
    }

    private Task ServeAsync(GuestChannel channel, JobEgress egress, CancellationToken ended) =>
        channel.Kind is ChannelKind.Dial or ChannelKind.Dns ? egress.ServeAsync(channel, ended) : work.ServeAsync(channel, ended);

    /// <summary>Says why a machine in use failed: by its own exit, by breaking the rules, or by ours.</summary>
    private async Task<JobOutcome> JudgeAsync(Exception e, Machine machine)
    {
        if (e is GuestFailedException && _phase == JobPhase.Booting) return new JobOutcome.RunnerFailed(FailureReason.MachineNotStarted, e.Message);
        if (e is not (IOException or MachineException)) return Outcome(e);

        // A broken rule is the cause even when the machine is gone by now: an agent whose host hangs up powers off.
        var cause = Cause(e);
        if (cause is ProtocolException) return Outcome(cause);
        // A stream that ends usually does so a moment before its process: give that moment, it decides the sentence.
        await ((Task)machine.Exited).WaitAsync(TimeSpan.FromSeconds(1), host.Time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await KeepConsoleAsync(machine.ConsoleTail);
        if (_phase == JobPhase.Booting) return new JobOutcome.RunnerFailed(FailureReason.MachineNotStarted, MachineStory.NotStarted(e, machine));
        if (machine.Exited.IsCompleted) return new JobOutcome.RunnerFailed(FailureReason.MachineLost, MachineStory.Lost(machine));
        return Outcome(cause);
    }

    /// <summary>Why a channel was reset, where that was the connection's end and not a word of the guest's.</summary>
    private static Exception Cause(Exception e) => e is ChannelResetException { InnerException: { } inner } ? Cause(inner) : e;

    private async Task KeepConsoleAsync(string tail)
    {
        if (tail.Length == 0) return;
        var path = Path.Join(host.Data.Logs, $"{job.Id}.console.txt");
        await File.WriteAllTextAsync(path, log.Mask(tail));
        await log.NoticeAsync($"the last of the machine's console is in {path}");
    }

    private JobOutcome Outcome(Exception e) => e switch
    {
        OperationCanceledException => new JobOutcome.Cancelled(),
        UserException { ExitCode: ExitCodes.BadFile } => new JobOutcome.RunnerFailed(FailureReason.TransferFailed, e.Message),
        UserException => new JobOutcome.RunnerFailed(FailureReason.ImageUnavailable, e.Message),
        MachineException => new JobOutcome.RunnerFailed(FailureReason.MachineNotStarted, e.Message),
        GuestFailedException => new JobOutcome.RunnerFailed(FailureReason.TransferFailed, e.Message),
        ProtocolException => new JobOutcome.RunnerFailed(FailureReason.GuestMisbehaved, UntrustedText.Line(e.Message)),
        ChannelResetException => new JobOutcome.RunnerFailed(
            FailureReason.GuestMisbehaved, $"The guest broke off what it was asked to do: {UntrustedText.Line(e.Message)}"),
        EndOfStreamException => new JobOutcome.RunnerFailed(FailureReason.MachineLost, "The machine closed its stream in the middle of the job, though its process still runs."),
        IOException or UnauthorizedAccessException => new JobOutcome.RunnerFailed(FailureReason.HostExhausted, $"The host could not go on with job {job.Id}: {e.Message}"),
        _ => new JobOutcome.RunnerFailed(FailureReason.MachineLost, $"An error of the runner's own, please report it: {e}"),
    };

    private MachineSpec Spec(Lease lease, MachineFiles files) => new()
    {
        Id = job.Id,
        RunDirectory = lease.Directory,
        KernelPath = files.Kernel,
        InitramfsPath = files.Initramfs,
        RootImagePath = files.RootImage,
        ScratchDiskPath = Path.Join(lease.Directory, "scratch"),
        Disks = job.Disks,
        Cpus = job.Machine.Cpus,
        MemoryMib = job.Machine.MemoryMib,
    };

    private async Task EnterAsync(JobPhase phase)
    {
        var now = host.Time.GetTimestamp();
        var previous = _phase;
        var elapsed = host.Time.GetElapsedTime(_phaseStarted, now);
        (_phase, _phaseStarted) = (phase, now);
        if (phase < JobPhase.Destroying) _lease?.RecordSoon(phase);
        host.PhaseEnded(previous, elapsed);
        await log.PhaseAsync(phase, previous, elapsed);
    }
}

/// <summary>A copy of a machine that was laid down, awake and itself. The session goes to whoever runs the job.</summary>
internal sealed record RestoredMachine(Machine Machine, GuestSession Guest) : IAsyncDisposable
{
    public ValueTask DisposeAsync() => Machine.DisposeAsync();
}

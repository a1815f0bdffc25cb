using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Images;
using RunnerVm.Jobs;
using RunnerVm.Leases.Warm;
using RunnerVm.Logs;
using RunnerVm.Machines;
using RunnerVm.Snapshots;
using Serilog;

namespace RunnerVm.Agents;

/// <summary>
/// The machines an agent keeps waiting, by the same pool as <c>runnervm pool</c>, in its own process. Images and snapshots are made
/// ready behind the agent's start; until then, and where that fails, jobs start as usual.
/// </summary>
internal sealed class WarmImages(IReadOnlyList<WarmImage> images, WarmImages.Workshop workshop, ILogger log, TimeProvider time) : IWarmMachines, IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private Task _preparing = Task.CompletedTask;
    private volatile WarmPool? _pool;

    /// <summary>What machines are made with.</summary>
    /// <param name="Trials">Whether copies may be told for each other here.</param>
    internal sealed record Workshop(ISnapshottingEngine Engine, MachineFileStore Files, SnapshotMaker Maker, WarmStart Start, CloneRecord Trials, WarmPoolOptions Options);

    /// <summary>Begins, in the background. Call it once.</summary>
    public void Start() => _preparing = Task.Run(PrepareAsync);

    public async Task<Machine?> TakeAsync(SnapshotKey key, CancellationToken cancellationToken) =>
        _pool is { } pool ? await pool.TakeAsync(key, cancellationToken) : null;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _preparing;
        if (_pool is { } pool) await pool.DisposeAsync();
        _stop.Dispose();
    }

    private async Task PrepareAsync()
    {
        await using var told = new JobLog(new NoticeSink(log), new SecretMasker([]), time);
        var kinds = new List<WarmKind>();
        foreach (var image in images)
        {
            try
            {
                if (await PrepareAsync(image, told) is { } kind) kinds.Add(kind);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is UserException or MachineException or GuestFailedException or ProtocolException or IOException)
            {
                log.Error("No machine of {Image} is kept waiting: {Reason}", image.Image, e.Message);
            }
        }

        if (kinds.Count == 0) return;
        var pool = new WarmPool(kinds, new WarmRestore(workshop.Start, MakeAsync).RestoreAsync, workshop.Options, text => log.Information("{Pool:l}", text), time);
        pool.Start();
        _pool = pool;
    }

    private async Task<WarmKind?> PrepareAsync(WarmImage image, JobLog told)
    {
        var kind = MachineKind.Of(image.ToJob(), await workshop.Files.PrepareAsync(image.ToJob(), told, _stop.Token));
        var key = await SnapshotKey.ForAsync(workshop.Engine, kind, _stop.Token);
        if (workshop.Trials.Shared(workshop.Engine.Name, key) is not { } shared) return new(key, kind, $"{image.Image} ({kind.Cpus} CPU, {kind.MemoryMib} MiB)", image.Count);
        log.Error("No machine is kept waiting on this host, because copies share {Shared} by the last \"runnervm doctor --clones\"", shared);
        return null;
    }

    private Task<Snapshot> MakeAsync(MachineKind kind, CancellationToken cancellationToken) => workshop.Maker.MakeAsync(workshop.Engine, kind, cancellationToken);

    /// <summary>Notices go to the agent's log; a bar that fills is nothing to keep.</summary>
    private sealed class NoticeSink(ILogger log) : IJobSink
    {
        public ValueTask WriteAsync(JobEvent jobEvent, CancellationToken cancellationToken)
        {
            if (jobEvent is JobEvent.Notice notice) log.Information("{Notice:l}", notice.Text);
            return ValueTask.CompletedTask;
        }
    }
}

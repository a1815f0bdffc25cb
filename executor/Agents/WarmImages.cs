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
/// ready behind the agent's start; until then, and where that fails, jobs start as usual. What is wanted may change at any time.
/// </summary>
internal sealed class WarmImages(WarmImages.Workshop workshop, ILogger log, TimeProvider time) : IWarmMachines, IAsyncDisposable
{
    private readonly Lock _gate = new();
    private CancellationTokenSource _stop = new();
    private Task _keeping = Task.CompletedTask;
    private volatile WarmPool? _pool;
    private volatile bool _wanted;

    /// <summary>What machines are made with.</summary>
    /// <param name="Trials">Whether copies may be told for each other here.</param>
    internal sealed record Workshop(ISnapshottingEngine Engine, MachineFileStore Files, SnapshotMaker Maker, WarmStart Start, CloneRecord Trials, Func<long> AvailableBytes);

    /// <summary>Whether any machine should wait now.</summary>
    public bool AreWanted => _wanted;

    /// <summary>From now on these wait, instead of those before, in the background. Machines that were taken go on.</summary>
    /// <param name="mostBytes">What they may come to need, all together.</param>
    public void Keep(IReadOnlyList<WarmImage> images, long mostBytes)
    {
        lock (_gate)
        {
            _stop.Cancel();
            var (before, stop) = (_keeping, new CancellationTokenSource());
            _wanted = images.Count > 0;
            (_stop, _keeping) = (stop, Task.Run(() => KeepAsync(before, images, mostBytes, stop)));
        }
    }

    public async Task<Machine?> TakeAsync(SnapshotKey key, CancellationToken cancellationToken) =>
        _pool is { } pool ? await pool.TakeAsync(key, cancellationToken) : null;

    public async ValueTask DisposeAsync()
    {
        Keep([], 0);
        await _keeping;
        _stop.Dispose();
    }

    /// <summary>The machines before are gone before the first new one comes: both together may be more than the host has.</summary>
    private async Task KeepAsync(Task before, IReadOnlyList<WarmImage> images, long mostBytes, CancellationTokenSource stop)
    {
        await before;
        if (_pool is { } pool)
        {
            _pool = null;
            await pool.DisposeAsync();
        }

        if (images.Count > 0) await PrepareAsync(images, mostBytes, stop.Token);
    }

    private async Task PrepareAsync(IReadOnlyList<WarmImage> images, long mostBytes, CancellationToken stop)
    {
        await using var told = new JobLog(new NoticeSink(log), new SecretMasker([]), time);
        var kinds = new List<WarmKind>();
        foreach (var image in images)
        {
            try
            {
                if (await PrepareAsync(image, told, stop) is { } kind) kinds.Add(kind);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is UserException or MachineException or GuestFailedException or ProtocolException or IOException)
            {
                log.Error("No machine of {Image} is kept waiting: {Reason}", image.Image, e.Message);
            }
        }

        if (kinds.Count == 0) return;
        var options = new WarmPoolOptions { MostBytes = mostBytes, AvailableBytes = workshop.AvailableBytes };
        var pool = new WarmPool(kinds, new WarmRestore(workshop.Start, MakeAsync).RestoreAsync, options, text => log.Information("{Pool:l}", text), time);
        pool.Start();
        _pool = pool;
    }

    private async Task<WarmKind?> PrepareAsync(WarmImage image, JobLog told, CancellationToken stop)
    {
        var kind = MachineKind.Of(image.ToJob(), await workshop.Files.PrepareAsync(image.ToJob(), told, stop));
        var key = await SnapshotKey.ForAsync(workshop.Engine, kind, stop);
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

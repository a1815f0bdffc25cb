using RunnerVm.Jobs;

namespace RunnerVm.Leases;

/// <summary>A place in the ledger, held by this process until disposed or dead.</summary>
internal sealed class Lease : IAsyncDisposable
{
    private readonly RunLock _lock;
    private readonly Lock _gate = new();
    private RunRecord _record;
    private Task _soon = Task.CompletedTask;
    private bool _disposed;

    internal Lease(RunLock held, RunRecord record) => (_lock, _record) = (held, record);

    /// <summary>The run's own folder: sockets, scratch disk. All in it goes with the lease.</summary>
    public string Directory => _lock.Folder;

    public string JobId => _record.JobId;

    /// <summary>As <see cref="Record"/>, beside what goes on; what is wrong with the disk the next one says.</summary>
    public void RecordSoon(JobPhase phase) => _soon = _soon.ContinueWith(_ => RecordNow(phase, null, null), TaskScheduler.Default);

    /// <summary>Writes down where the job is, and the engine's process once there is one.</summary>
    /// <param name="enginePid">Null keeps what is known.</param>
    /// <param name="unfinished">See <see cref="RunRecord.Unfinished"/>.</param>
    public void Record(JobPhase phase, int? enginePid = null, string? unfinished = null)
    {
        Settle();
        RecordNow(phase, enginePid, unfinished);
    }

    /// <summary>Writes down what the forge calls the job. From any thread; nothing once the lease is over.</summary>
    public void Entitle(string title) => Write(record => record with { Title = title });

    /// <summary>Removes the folder and gives the place back. Call it when the machine is gone. Never throws.</summary>
    public ValueTask DisposeAsync()
    {
        Settle();
        lock (_gate)
        {
            if (_disposed) return ValueTask.CompletedTask;
            _disposed = true;
            _lock.RemoveFolder();
            _lock.Dispose();
            return ValueTask.CompletedTask;
        }
    }

    private void RecordNow(JobPhase phase, int? enginePid, string? unfinished)
    {
        var engine = enginePid is { } pid ? ProcessIdentity.Of(pid) : null;
        Write(record => record with { Phase = phase, Engine = engine ?? record.Engine, Unfinished = unfinished });
    }

    private void Write(Func<RunRecord, RunRecord> change)
    {
        lock (_gate)
        {
            if (_disposed) return;
            _record = change(_record);
            _record.Write(Directory);
        }
    }

    /// <summary>Waits for a file of some hundred bytes that may be under way.</summary>
    private void Settle() => _soon.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing).GetAwaiter().GetResult();
}

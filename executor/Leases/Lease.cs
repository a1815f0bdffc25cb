using RunnerVm.Jobs;

namespace RunnerVm.Leases;

/// <summary>A place in the ledger, held by this process until disposed or dead.</summary>
internal sealed class Lease : IAsyncDisposable
{
    private readonly RunLock _lock;
    private readonly Lock _gate = new();
    private RunRecord _record;
    private bool _disposed;

    internal Lease(RunLock held, RunRecord record) => (_lock, _record) = (held, record);

    /// <summary>The run's own folder: sockets, scratch disk. All in it goes with the lease.</summary>
    public string Directory => _lock.Folder;

    public string JobId => _record.JobId;

    /// <summary>Writes down where the job is, and the engine's process once there is one.</summary>
    /// <param name="enginePid">Null keeps what is known.</param>
    /// <param name="unfinished">See <see cref="RunRecord.Unfinished"/>.</param>
    public void Record(JobPhase phase, int? enginePid = null, string? unfinished = null)
    {
        var engine = enginePid is { } pid ? ProcessIdentity.Of(pid) : null;
        Write(record => record with { Phase = phase, Engine = engine ?? record.Engine, Unfinished = unfinished });
    }

    /// <summary>Writes down what the forge calls the job. From any thread; nothing once the lease is over.</summary>
    public void Entitle(string title) => Write(record => record with { Title = title });

    /// <summary>Removes the folder and gives the place back. Call it when the machine is gone. Never throws.</summary>
    public ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            if (_disposed) return ValueTask.CompletedTask;
            _disposed = true;
            _lock.RemoveFolder();
            _lock.Dispose();
            return ValueTask.CompletedTask;
        }
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
}

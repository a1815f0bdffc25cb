using RunnerVm.Jobs;

namespace RunnerVm.Leases;

/// <summary>A place in the ledger, held by this process until disposed or dead.</summary>
internal sealed class Lease : IAsyncDisposable
{
    private readonly RunLock _lock;
    private RunRecord _record;
    private Task _writing = Task.CompletedTask;
    private bool _disposed;

    internal Lease(RunLock held, RunRecord record) => (_lock, _record) = (held, record);

    /// <summary>The run's own folder: sockets, scratch disk. All in it goes with the lease.</summary>
    public string Directory => _lock.Folder;

    public string JobId => _record.JobId;

    /// <summary>Writes down where the job is, beside what goes on; the next <see cref="Record"/> says what was wrong with the disk.</summary>
    public void RecordSoon(JobPhase phase)
    {
        var record = _record = _record with { Phase = phase, Unfinished = null };
        _writing = _writing.ContinueWith(_ => record.Write(Directory), TaskScheduler.Default);
    }

    /// <summary>Writes down where the job is, and the engine's process once there is one.</summary>
    /// <param name="enginePid">Null keeps what is known.</param>
    /// <param name="unfinished">See <see cref="RunRecord.Unfinished"/>.</param>
    public void Record(JobPhase phase, int? enginePid = null, string? unfinished = null)
    {
        _record = _record with
        {
            Phase = phase,
            Engine = enginePid is { } pid ? ProcessIdentity.Of(pid) : _record.Engine,
            Unfinished = unfinished,
        };
        Settle();
        _record.Write(Directory);
    }

    /// <summary>Removes the folder and gives the place back. Call it when the machine is gone. Never throws.</summary>
    public ValueTask DisposeAsync()
    {
        if (_disposed) return ValueTask.CompletedTask;
        _disposed = true;
        Settle();
        _lock.RemoveFolder();
        _lock.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>A file of some hundred bytes that is under way.</summary>
    private void Settle() => ((Task)_writing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing).GetAwaiter().GetResult();
}

using RunnerVm.Machines;

namespace RunnerVm.Leases.Warm;

/// <summary>What waits of one kind, and the loop that keeps it at the wanted number.</summary>
internal sealed class WarmStock(
    WarmKind kind, Func<WarmKind, CancellationToken, Task<Machine>> restore, WarmBudget budget, WarmPoolOptions options, Action<string> told, TimeProvider time) : IAsyncDisposable
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    /// <summary>Nothing tells when the host has memory again.</summary>
    private static readonly TimeSpan RoomPause = TimeSpan.FromSeconds(2);

    private readonly Lock _lock = new();
    private readonly Queue<Machine> _waiting = [];
    private readonly SemaphoreSlim _changed = new(0);
    private long _asked = time.GetTimestamp();
    private Told _told = Told.Nothing;

    public WarmKind Kind => kind;

    public int Waiting
    {
        get
        {
            lock (_lock) return _waiting.Count;
        }
    }

    /// <summary>The one that has waited longest; null where none does. Either way another is made.</summary>
    public Machine? TryTake()
    {
        lock (_lock)
        {
            _asked = time.GetTimestamp();
            _changed.Release();
            while (_waiting.TryDequeue(out var machine))
            {
                budget.Release(kind.MemoryBytes);
                if (!machine.Exited.IsCompleted) return machine;
                _ = machine.DisposeAsync().AsTask(); // Never throws; it is gone already.
            }

            return null;
        }
    }

    /// <summary>Fills up, waits until something changes, fills up again; until cancelled.</summary>
    public async Task KeepAsync(CancellationToken cancellationToken)
    {
        var pause = options.FirstPause;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                if (IsUnused) await DropAsync("nobody has asked for one");
                var isFull = IsUnused || await FillAsync(cancellationToken);
                pause = options.FirstPause;
                await WaitAsync(isFull ? Patience : RoomPause, cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is MachineException or IOException or UnauthorizedAccessException or UserException)
            {
                told($"{kind.Name}: a machine could not be made to wait: {e.Message} The next try is in {pause.TotalSeconds:0.#} s.");
                await Task.Delay(pause, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await DropAsync(null);
        _changed.Dispose();
    }

    private bool IsUnused => time.GetElapsedTime(Volatile.Read(ref _asked)) >= options.Unused;

    /// <summary>Until it would be unused; for ever where nothing waits that could be.</summary>
    private TimeSpan Patience
    {
        get
        {
            if (Waiting == 0 && IsUnused) return Timeout.InfiniteTimeSpan;
            var left = options.Unused - time.GetElapsedTime(Volatile.Read(ref _asked));
            return left > TimeSpan.FromMilliseconds(1) ? left : TimeSpan.FromMilliseconds(1);
        }
    }

    /// <returns>False where there is no room for more: another look is worth while later.</returns>
    private async Task<bool> FillAsync(CancellationToken cancellationToken)
    {
        await ClearDeadAsync();
        while (Waiting < kind.Wanted)
        {
            if (!budget.TryPromise(kind.MemoryBytes))
            {
                Tell(Told.Short, $"{Waiting} wait instead of {kind.Wanted}, for there is no memory for more.");
                return false;
            }

            try
            {
                Keep(await restore(kind, cancellationToken));
            }
            catch
            {
                budget.Release(kind.MemoryBytes);
                throw;
            }
        }

        Tell(Told.Complete, $"{kind.Wanted} wait.");
        return true;
    }

    /// <summary>Once, until something else is the case.</summary>
    private void Tell(Told what, string text)
    {
        if (_told != what) told($"{kind.Name}: {text}");
        _told = what;
    }

    private void Keep(Machine machine)
    {
        lock (_lock) _waiting.Enqueue(machine);
        // One that dies while it waits is noticed at once rather than by the job that would have had it.
        _ = machine.Exited.ContinueWith(_ => Wake(), TaskScheduler.Default);
    }

    private void Wake()
    {
        try
        {
            _changed.Release();
        }
        catch (ObjectDisposedException)
        {
            // The pool has ended, and this machine with it.
        }
    }

    private async Task ClearDeadAsync()
    {
        List<Machine> dead;
        lock (_lock)
        {
            dead = [.. _waiting.Where(static m => m.Exited.IsCompleted)];
            if (dead.Count == 0) return;
            var alive = _waiting.Where(static m => !m.Exited.IsCompleted).ToList();
            _waiting.Clear();
            foreach (var machine in alive) _waiting.Enqueue(machine);
        }

        told($"{kind.Name}: {dead.Count} ended while waiting.");
        foreach (var machine in dead) await ReleaseAsync(machine);
    }

    private async Task DropAsync(string? why)
    {
        List<Machine> dropped;
        lock (_lock)
        {
            dropped = [.. _waiting];
            _waiting.Clear();
        }

        if (dropped.Count > 0 && why is not null) Tell(Told.Dropped, $"{dropped.Count} thrown away, for {why} in {options.Unused.TotalMinutes:0.#} min.");
        foreach (var machine in dropped) await ReleaseAsync(machine);
    }

    private async Task ReleaseAsync(Machine machine)
    {
        await machine.DisposeAsync();
        budget.Release(kind.MemoryBytes);
    }

    /// <summary>Until something has changed, or this long.</summary>
    private async Task WaitAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        if (limit == Timeout.InfiniteTimeSpan)
        {
            await _changed.WaitAsync(cancellationToken);
            return;
        }

        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var changed = _changed.WaitAsync(end.Token);
        await Task.WhenAny(changed, Task.Delay(limit, time, end.Token));
        await end.CancelAsync();
        await ((Task)changed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
    }

    /// <summary>What was said last of the kind.</summary>
    private enum Told
    {
        Nothing,
        Complete,
        Short,
        Dropped,
    }
}

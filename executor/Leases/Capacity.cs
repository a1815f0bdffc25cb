using RunnerVm.Jobs;

namespace RunnerVm.Leases;

/// <summary>
/// What this host still can take: jobs, CPUs, memory. Reserved before a forge is asked for a job, because a job that has
/// been handed over cannot be given back. Whoever waits longest is served first, so a large job is not starved by small
/// ones. Safe to use from several threads.
/// </summary>
internal sealed class Capacity
{
    private readonly Lock _lock = new();
    private readonly LinkedList<Waiter> _waiting = [];
    private int _freeJobs;
    private MachineSize _free;

    public Capacity(int jobs, MachineSize size)
    {
        (Jobs, Size) = (jobs, size);
        (_freeJobs, _free) = (jobs, size);
    }

    public int Jobs { get; private set; }

    public MachineSize Size { get; private set; }

    /// <summary>From now on there is so much. Where less is left than is in use, nothing begins until enough of that has ended.</summary>
    public void Resize(int jobs, MachineSize size)
    {
        lock (_lock)
        {
            _freeJobs += jobs - Jobs;
            _free += size - Size;
            (Jobs, Size) = (jobs, size);
            Serve_NeedsLock();
        }
    }

    /// <summary>What nobody has reserved.</summary>
    public (int Jobs, MachineSize Size) Free
    {
        get
        {
            lock (_lock) return (_freeJobs, _free);
        }
    }

    /// <summary>How many jobs of this size would fit now, beside all that run.</summary>
    public int RoomFor(MachineSize size)
    {
        lock (_lock) return Math.Max(0, Math.Min(_freeJobs, Math.Min(_free.Cpus / size.Cpus, _free.MemoryMib / size.MemoryMib)));
    }

    /// <summary>Waits until there is room for one more job of this size.</summary>
    /// <exception cref="ArgumentException">There never will be.</exception>
    public async Task<CapacityReservation> ReserveAsync(MachineSize wanted, CancellationToken cancellationToken)
    {
        if (!wanted.FitsInto(Size)) throw new ArgumentException($"A job of {wanted} never fits into {Size}.", nameof(wanted));
        var waiter = new Waiter(wanted);
        lock (_lock)
        {
            _waiting.AddLast(waiter);
            Serve_NeedsLock();
        }

        await using var registration = cancellationToken.Register(() => GiveUp(waiter, cancellationToken));
        return await waiter.Served.Task;
    }

    internal void GiveBack(int jobCount, MachineSize back)
    {
        lock (_lock)
        {
            _freeJobs += jobCount;
            _free += back;
            Serve_NeedsLock();
        }
    }

    private void Serve_NeedsLock()
    {
        while (_waiting.First is { Value: var next } && _freeJobs > 0 && next.Wanted.FitsInto(_free))
        {
            _waiting.RemoveFirst();
            _freeJobs--;
            _free -= next.Wanted;
            next.Served.SetResult(new(this, next.Wanted));
        }
    }

    private void GiveUp(Waiter waiter, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (!_waiting.Remove(waiter)) return; // Served in this very moment.
            waiter.Served.SetCanceled(cancellationToken);
            Serve_NeedsLock();
        }
    }

    private sealed class Waiter(MachineSize wanted)
    {
        public MachineSize Wanted => wanted;

        public TaskCompletionSource<CapacityReservation> Served { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

/// <summary>Room for one job, held until disposed.</summary>
internal sealed class CapacityReservation(Capacity capacity, MachineSize size) : IDisposable
{
    private MachineSize _size = size;
    private int _disposed;

    /// <summary>Gives back what the job that came does not need of what it might have needed.</summary>
    public void ShrinkTo(MachineSize needed)
    {
        var rest = _size - needed;
        if (rest.Cpus < 0 || rest.MemoryMib < 0) throw new ArgumentException($"{needed} is more than the {_size} that are reserved.", nameof(needed));
        _size = needed;
        capacity.GiveBack(0, rest);
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0) capacity.GiveBack(1, _size);
    }
}

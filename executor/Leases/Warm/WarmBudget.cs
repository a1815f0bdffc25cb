namespace RunnerVm.Leases.Warm;

/// <summary>The memory that all waiting machines share. Safe to use from several threads.</summary>
internal sealed class WarmBudget(WarmPoolOptions options)
{
    private readonly Lock _lock = new();
    private long _promised;

    /// <summary>Promises memory to a machine that will wait.</summary>
    /// <returns>False where the bound, or the host, has no room for it.</returns>
    public bool TryPromise(long bytes)
    {
        lock (_lock)
        {
            if (_promised + bytes > options.MostBytes || options.AvailableBytes() - _promised < bytes + options.SpareBytes) return false;
            _promised += bytes;
            return true;
        }
    }

    /// <summary>The machine has gone, or does not wait any more: then what it takes shows in what the host has left.</summary>
    public void Release(long bytes)
    {
        lock (_lock) _promised -= bytes;
    }
}

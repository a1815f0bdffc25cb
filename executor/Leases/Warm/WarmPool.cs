using RunnerVm.Machines;
using RunnerVm.Snapshots;

namespace RunnerVm.Leases.Warm;

/// <summary>
/// Keeps machines of some kinds waiting, each a copy that was restored and not thawed. One that is taken is replaced in the background;
/// what is not used goes after a while. A pool that is killed leaves what any killed owner leaves: engines die with it, and the
/// sweep removes their folders.
/// </summary>
internal sealed class WarmPool : IWarmMachines, IAsyncDisposable
{
    private readonly Dictionary<string, WarmStock> _stocks;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _keeping = [];

    /// <param name="restore">Starts one of a kind.</param>
    /// <param name="told">Called with a sentence for people when something changes; from any thread.</param>
    public WarmPool(
        IEnumerable<WarmKind> kinds, Func<WarmKind, CancellationToken, Task<Machine>> restore, WarmPoolOptions options, Action<string> told, TimeProvider time)
    {
        var budget = new WarmBudget(options);
        _stocks = kinds.ToDictionary(static k => k.Key.Name, kind => new WarmStock(kind, restore, budget, options, told, time));
    }

    /// <summary>How many wait now, of each kind.</summary>
    public IReadOnlyDictionary<WarmKind, int> Waiting => _stocks.Values.ToDictionary(static s => s.Kind, static s => s.Waiting);

    /// <summary>Begins to keep machines. Call it once.</summary>
    public void Start() => _keeping.AddRange(_stocks.Values.Select(stock => Task.Run(() => stock.KeepAsync(_stop.Token))));

    public Task<Machine?> TakeAsync(SnapshotKey key, CancellationToken cancellationToken) => Task.FromResult(TryTake(key.Name));

    /// <param name="name">Of the snapshot.</param>
    public Machine? TryTake(string name) => _stocks.GetValueOrDefault(name)?.TryTake();

    /// <summary>Ends all that wait. Machines that were taken are their takers'.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_keeping);
        foreach (var stock in _stocks.Values) await stock.DisposeAsync();
    }
}

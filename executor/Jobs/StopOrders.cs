using RunnerVm.Guests;
using RunnerVm.Leases;

namespace RunnerVm.Jobs;

/// <summary>Listens for <c>runnervm kill</c> as long as a job's lease is held.</summary>
internal sealed class StopOrders : IAsyncDisposable
{
    private readonly CancellationTokenSource _ended = new();
    private readonly Task _waiting;

    public StopOrders(string folder, StopRequest stop, TimeProvider time) => _waiting = ObeyAsync(folder, stop, time);

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        await _waiting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _ended.Dispose();
    }

    private async Task ObeyAsync(string folder, StopRequest stop, TimeProvider time)
    {
        await StopOrder.WaitAsync(folder, time, _ended.Token);
        stop.Ask();
    }
}

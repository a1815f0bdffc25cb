using RunnerVm.Guests;
using RunnerVm.Leases;

namespace RunnerVm.Jobs;

/// <summary>Listens for <c>runnervm kill</c> as long as a job's lease is held.</summary>
internal sealed class StopOrders : IAsyncDisposable
{
    private readonly PeriodicTimer _tick;
    private readonly Task _waiting;

    public StopOrders(string folder, StopRequest stop, TimeProvider time)
    {
        _tick = new(StopOrder.Interval, time);
        _waiting = ObeyAsync(folder, stop);
    }

    public async ValueTask DisposeAsync()
    {
        // Not by a token: what a cancelled timer throws takes the names of all methods to be made, 5 ms in a program that is compiled ahead.
        _tick.Dispose();
        await _waiting;
    }

    private async Task ObeyAsync(string folder, StopRequest stop)
    {
        if (await StopOrder.WaitAsync(folder, _tick)) stop.Ask();
    }
}

namespace RunnerVm.Logs;

/// <summary>Shows a few times a second how far a transfer is; whoever moves the bytes only counts.</summary>
internal sealed class TransferProgress : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private readonly JobLog _log;
    private readonly TimeProvider _time;
    private readonly string _what;
    private readonly long? _total;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _showing;
    private long _bytes;

    public TransferProgress(JobLog log, TimeProvider time, string what, long? totalBytes)
    {
        (_log, _time, _what, _total) = (log, time, what, totalBytes);
        _showing = ShowAsync();
    }

    /// <summary>So many bytes so far.</summary>
    public void Report(long bytes) => Volatile.Write(ref _bytes, bytes);

    /// <summary>The end was reached, at so many bytes.</summary>
    public async Task FinishAsync(long bytes)
    {
        await DisposeAsync();
        await _log.EmitAsync(new JobEvent.Transfer(_time.GetUtcNow(), _what, bytes, _total, Finished: true));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _showing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task ShowAsync()
    {
        using var timer = new PeriodicTimer(Interval, _time);
        while (await timer.WaitForNextTickAsync(_stop.Token))
            await _log.EmitAsync(new JobEvent.Transfer(_time.GetUtcNow(), _what, Volatile.Read(ref _bytes), _total, Finished: false));
    }
}

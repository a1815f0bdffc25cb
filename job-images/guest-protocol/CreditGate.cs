namespace RunnerVm.GuestProtocol;

/// <summary>
/// The credit one side of a channel may still spend. One writer takes, the connection's reader grants.
/// </summary>
internal sealed class CreditGate(uint channel, int initial)
{
    private readonly Lock _lock = new();
    private long _credit = initial;
    private TaskCompletionSource? _waiter;
    private Exception? _closed;

    /// <summary>Waits until at least <see cref="Limits.FrameOverhead"/> + 1 bytes can be sent, and takes up to <paramref name="wanted"/> payload bytes.</summary>
    /// <returns>Payload bytes that may be sent in one frame, 1 to <paramref name="wanted"/>.</returns>
    public async ValueTask<int> TakeAsync(int wanted, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task wait;
            lock (_lock)
            {
                if (_closed is not null) throw new ChannelResetException(_closed.Message, _closed);
                if (_credit > Limits.FrameOverhead)
                {
                    var payload = (int)Math.Min(wanted, _credit - Limits.FrameOverhead);
                    _credit -= payload + Limits.FrameOverhead;
                    return payload;
                }

                _waiter ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
                wait = _waiter.Task;
            }

            await wait.WaitAsync(cancellationToken);
        }
    }

    /// <exception cref="ProtocolException">The sum is more than a channel may have.</exception>
    public void Grant(uint bytes)
    {
        TaskCompletionSource? waiter;
        lock (_lock)
        {
            if (_credit + bytes > Limits.MaxWindow) throw Malformed.CreditOverflow(channel, _credit + bytes);
            _credit += bytes;
            if (_credit <= Limits.FrameOverhead) return;
            (waiter, _waiter) = (_waiter, null);
        }

        waiter?.TrySetResult();
    }

    public void Close(Exception reason)
    {
        TaskCompletionSource? waiter;
        lock (_lock)
        {
            _closed ??= reason;
            (waiter, _waiter) = (_waiter, null);
        }

        waiter?.TrySetResult();
    }
}

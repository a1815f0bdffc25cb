using System.Buffers;

namespace RunnerVm.GuestProtocol;

/// <summary>
/// Frames on their way out. Any thread may add; one pump writes them to the stream in order, many at a time. Data waits
/// for room, answers (credit, resets) never wait, so the reading loop cannot be blocked by a peer that does not read;
/// what such a peer can pile up is bounded by <see cref="Limits.MaxUnreadAnswers"/>.
/// </summary>
/// <param name="direct">
/// Where a stream can take bytes without waiting, a frame that none is ahead of is written by whoever adds it: waking the pump for it
/// is most of what a short answer costs.
/// </param>
internal sealed class OutboundQueue(IDirectWriter? direct)
{
    private const int HighWater = 256 * 1024;

    private readonly Lock _lock = new();
    private ArrayBufferWriter<byte> _filling = new(HighWater);
    private ArrayBufferWriter<byte> _draining = new(HighWater);
    private TaskCompletionSource _work = NewSource();
    private TaskCompletionSource? _room;
    private Exception? _failure;
    private bool _completed;
    private bool _pumping;

    /// <summary>Adds a frame; completes at once, or when earlier frames have been written far enough.</summary>
    public ValueTask AddAsync(FrameHeader header, ReadOnlySpan<byte> payload)
    {
        lock (_lock)
        {
            Append_NeedsLock(header, payload);
            if (_filling.WrittenCount < HighWater) return ValueTask.CompletedTask;
            _room ??= NewSource();
            return new(_room.Task);
        }
    }

    /// <summary>Adds a frame that must not wait.</summary>
    public void AddAnswer(FrameHeader header, ReadOnlySpan<byte> payload)
    {
        lock (_lock)
        {
            if (_filling.WrittenCount > Limits.MaxUnreadAnswers) throw Malformed.NotReading(_filling.WrittenCount);
            Append_NeedsLock(header, payload);
        }
    }

    /// <summary>No more frames; the pump ends when all are written.</summary>
    public void Complete()
    {
        lock (_lock)
        {
            _completed = true;
            _work.TrySetResult();
        }
    }

    /// <summary>Whoever waits for room, and whoever adds from now on, gets <paramref name="failure"/>.</summary>
    public void Fail(Exception failure)
    {
        lock (_lock)
        {
            _failure ??= failure;
            _work.TrySetResult();
            _room?.TrySetException(_failure);
            _room = null;
        }
    }

    /// <summary>Writes until <see cref="Complete"/>, <see cref="Fail"/>, or the stream fails.</summary>
    public async Task PumpAsync(Stream stream, CancellationToken cancellationToken)
    {
        while (true)
        {
            await WaitForWork().WaitAsync(cancellationToken);
            ArrayBufferWriter<byte> batch;
            TaskCompletionSource? room;
            lock (_lock)
            {
                if (_failure is not null) return;
                if (_filling.WrittenCount == 0 && _completed) return;
                (batch, _filling, _draining) = (_filling, _draining, _filling);
                (room, _room) = (_room, null);
                if (!_completed) _work = NewSource();
                _pumping = true;
            }

            room?.TrySetResult();
            await stream.WriteAsync(batch.WrittenMemory, cancellationToken);
            await stream.FlushAsync(cancellationToken);
            batch.ResetWrittenCount();
            lock (_lock) _pumping = false;
        }
    }

    private Task WaitForWork()
    {
        lock (_lock) return _work.Task;
    }

    private void Append_NeedsLock(FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if (_failure is not null) throw new ChannelResetException(_failure.Message, _failure);
        if (_completed) throw new ChannelResetException("The connection is closed.");
        header.Write(_filling.GetSpan(Limits.HeaderSize));
        _filling.Advance(Limits.HeaderSize);
        _filling.Write(payload);
        if (!TryWriteNow_NeedsLock()) _work.TrySetResult();
    }

    /// <returns>Whether nothing is left for the pump.</returns>
    private bool TryWriteNow_NeedsLock()
    {
        if (direct is null || _pumping) return false;
        var written = direct.TryWrite(_filling.WrittenSpan);
        if (written < _filling.WrittenCount)
        {
            // The pump writes the rest, and it is the pump that meets the error if that is why.
            _draining.Write(_filling.WrittenSpan[written..]);
            (_filling, _draining) = (_draining, _filling);
            _draining.ResetWrittenCount();
            return false;
        }

        _filling.ResetWrittenCount();
        return true;
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

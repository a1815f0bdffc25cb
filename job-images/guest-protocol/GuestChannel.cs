using System.Buffers;
using System.Threading.Channels;

namespace RunnerVm.GuestProtocol;

/// <summary>A piece of data as it came: which lane, which bytes. Valid until the next read or the channel's disposal.</summary>
public readonly record struct Received(byte Lane, ReadOnlyMemory<byte> Bytes);

/// <summary>
/// One of the parallel conversations on a <see cref="GuestConnection"/>. Bytes flow both ways in numbered lanes (0 is
/// the main one), each direction bounded by the receiver's credit and ended on its own. The side that accepted the
/// channel may close it with a result. One reader and one writer at a time; disposing resets what is not over.
/// </summary>
public sealed class GuestChannel : IAsyncDisposable
{
    private readonly GuestConnection _connection;
    private readonly Channel<(byte Lane, byte[] Buffer, int Length)> _received =
        Channel.CreateUnbounded<(byte, byte[], int)>(new() { SingleReader = true, SingleWriter = true });
    private readonly TaskCompletionSource<byte[]> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CreditGate _credit;
    private readonly int _window;
    private readonly Lock _lock = new();
    private byte[]? _lent;
    private int _owed;
    private int _grantable;
    private bool _sentEnd;
    private bool _receivedEnd;
    private bool _over;

    internal GuestChannel(GuestConnection connection, uint id, ChannelKind kind, byte[] request, int window, int peerCredit)
    {
        (_connection, Id, Kind, Request, _window, _grantable) = (connection, id, kind, request, window, window);
        _credit = new(id, peerCredit);
    }

    /// <summary>Number on the wire; never used twice on a connection.</summary>
    public uint Id { get; }

    public ChannelKind Kind { get; }

    /// <summary>When this end knew of the channel, as <see cref="System.Diagnostics.Stopwatch.GetTimestamp"/> has it.</summary>
    public long OpenedAt { get; } = System.Diagnostics.Stopwatch.GetTimestamp();

    /// <summary>What the opener asked for. Untrusted on the host.</summary>
    public ReadOnlyMemory<byte> Request { get; }

    /// <summary>The accepting side's result. Faults with <see cref="ChannelResetException"/> when none will come.</summary>
    public Task<byte[]> Result => _result.Task;

    /// <summary>The next bytes in order, or null at the end of what the peer sends.</summary>
    /// <exception cref="ChannelResetException">The channel was reset or the connection ended.</exception>
    public async ValueTask<Received?> ReadAsync(CancellationToken cancellationToken = default)
    {
        ReturnLent();
        try
        {
            if (!await _received.Reader.WaitToReadAsync(cancellationToken)) return null;
        }
        catch (ChannelResetException reset)
        {
            // The same object faults every read; a fresh one keeps the stack traces apart.
            throw new ChannelResetException(reset.Message, reset.InnerException);
        }

        _received.Reader.TryRead(out var piece);
        _lent = piece.Buffer;
        _owed += piece.Length + Limits.FrameOverhead;
        return new(piece.Lane, piece.Buffer.AsMemory(0, piece.Length));
    }

    /// <summary>Sends bytes on lane 0.</summary>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default) =>
        WriteAsync(0, bytes, cancellationToken);

    /// <summary>Sends bytes; returns when all are on their way, which waits for the peer's credit and for the stream.</summary>
    /// <exception cref="ChannelResetException">The channel was reset or the connection ended.</exception>
    public async ValueTask WriteAsync(byte lane, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
    {
        while (!bytes.IsEmpty)
        {
            var length = await _credit.TakeAsync(Math.Min(bytes.Length, Limits.MaxPayload), cancellationToken);
            await _connection.SendDataAsync(Id, lane, bytes.Span[..length]).AsTask().WaitAsync(cancellationToken);
            bytes = bytes[length..];
        }
    }

    /// <summary>Tells the peer that no more data comes from here. The other direction goes on.</summary>
    public void End()
    {
        lock (_lock)
        {
            if (_sentEnd || _over) return;
            _sentEnd = true;
        }

        _connection.SendAnswer(new(0, FrameType.End, 0, Id), []);
        EndIfBothEnded();
    }

    /// <summary>Accepting side only: hands over the result and ends the channel.</summary>
    public void Close(ReadOnlySpan<byte> result)
    {
        if (result.Length > Limits.MaxPayload) throw new ArgumentException("A result has at most 64 KiB.", nameof(result));
        if (!TryEnd()) return;
        _connection.SendAnswer(new(result.Length, FrameType.Close, 0, Id), result);
        Finish(new ChannelResetException("The channel was closed by this side."));
    }

    /// <summary>Ends the channel at once. Does nothing when it is over.</summary>
    /// <param name="reason">For people; cut to <see cref="Limits.MaxReason"/> bytes.</param>
    public void Reset(string reason)
    {
        if (!TryEnd()) return;
        var bytes = System.Text.Encoding.UTF8.GetBytes(reason);
        _connection.TrySendAnswer(new(Math.Min(bytes.Length, Limits.MaxReason), FrameType.Reset, 0, Id), bytes.AsSpan(0, Math.Min(bytes.Length, Limits.MaxReason)));
        Finish(new ChannelResetException(reason));
    }

    /// <summary>Lane 0 as a stream: reads fail on data in another lane; closing the stream resets the channel unless both directions have ended.</summary>
    public Stream AsStream() => new GuestChannelStream(this);

    public ValueTask DisposeAsync()
    {
        Reset("The channel is no longer wanted.");
        ReturnLent();
        while (_received.Reader.TryRead(out var piece)) ArrayPool<byte>.Shared.Return(piece.Buffer);
        return ValueTask.CompletedTask;
    }

    /// <summary>Takes a data frame's payload, which has been read into a rented buffer, into the queue.</summary>
    internal void OnData(byte lane, byte[] rented, int length)
    {
        var cost = length + Limits.FrameOverhead;
        lock (_lock)
        {
            if (_receivedEnd) throw Malformed.AfterEnd(Id);
            if (cost > _grantable) throw Malformed.CreditExceeded(Id, cost - _grantable);
            _grantable -= cost;
        }

        if (!_received.Writer.TryWrite((lane, rented, length))) ArrayPool<byte>.Shared.Return(rented);
    }

    internal void OnCredit(uint bytes) => _credit.Grant(bytes);

    internal void OnEnd()
    {
        lock (_lock)
        {
            if (_receivedEnd) throw Malformed.AfterEnd(Id);
            _receivedEnd = true;
        }

        _received.Writer.TryComplete();
        EndIfBothEnded();
    }

    internal void OnClose(byte[] result)
    {
        if (!TryEnd()) return;
        _result.TrySetResult(result);
        _received.Writer.TryComplete();
        _credit.Close(new ChannelResetException("The peer has finished with the channel."));
    }

    /// <summary>The peer reset the channel, or the connection is gone.</summary>
    internal void OnReset(Exception reason)
    {
        if (TryEnd()) Finish(reason);
    }

    private void Finish(Exception reason)
    {
        Fail(reason);
        _received.Writer.TryComplete(reason);
        _credit.Close(reason);
    }

    private void Fail(Exception reason)
    {
        if (_result.TrySetException(reason)) _ = _result.Task.Exception; // Looked at: nobody has to wait for the result.
    }

    private void EndIfBothEnded()
    {
        lock (_lock)
        {
            if (!_sentEnd || !_receivedEnd || _over) return;
            _over = true;
        }

        _connection.Forget(this);
        Fail(new ChannelResetException("The channel ended without a result."));
        _credit.Close(new ChannelResetException("The channel has ended."));
    }

    private bool TryEnd()
    {
        lock (_lock)
        {
            if (_over) return false;
            _over = true;
        }

        _connection.Forget(this);
        return true;
    }

    /// <summary>Gives the last piece's buffer back, and credit to the peer once half a window has been read.</summary>
    private void ReturnLent()
    {
        if (_lent is null) return;
        ArrayPool<byte>.Shared.Return(_lent);
        _lent = null;
        if (_owed < _window / 2) return;

        lock (_lock)
        {
            if (_over || _receivedEnd) return;
            _grantable += _owed;
        }

        _connection.GrantCredit(Id, _owed);
        _owed = 0;
    }
}

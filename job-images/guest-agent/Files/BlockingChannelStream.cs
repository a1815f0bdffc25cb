using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Files;

/// <summary>
/// Lane 0 of a channel for synchronous code on a thread of its own: packing and unpacking a hundred thousand small files
/// costs less without a state machine for each read. Writes are gathered to full data frames.
/// </summary>
internal sealed class BlockingChannelStream(GuestChannel channel) : Stream
{
    private readonly byte[] _gathered = new byte[Limits.MaxPayload];
    private int _gatheredLength;
    private ReadOnlyMemory<byte> _rest;

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty) return 0;
        if (_rest.IsEmpty)
        {
            var reading = channel.ReadAsync();
            var received = reading.IsCompleted ? reading.GetAwaiter().GetResult() : reading.AsTask().GetAwaiter().GetResult();
            if (received is not { } piece) return 0;
            _rest = piece.Bytes;
        }

        var count = Math.Min(buffer.Length, _rest.Length);
        _rest.Span[..count].CopyTo(buffer);
        _rest = _rest[count..];
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            var count = Math.Min(buffer.Length, _gathered.Length - _gatheredLength);
            buffer[..count].CopyTo(_gathered.AsSpan(_gatheredLength));
            buffer = buffer[count..];
            _gatheredLength += count;
            if (_gatheredLength == _gathered.Length) Flush();
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <summary>Sends what has been gathered; waits for the host's credit.</summary>
    public override void Flush()
    {
        if (_gatheredLength == 0) return;
        var sending = channel.WriteAsync(0, _gathered.AsMemory(0, _gatheredLength));
        if (sending.IsCompleted) sending.GetAwaiter().GetResult();
        else sending.AsTask().GetAwaiter().GetResult();
        _gatheredLength = 0;
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}

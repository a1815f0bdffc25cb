namespace RunnerVm.Machines.Firecracker;

/// <summary>
/// The stream to an agent that has yet to connect: reads and writes wait for it. Where the machine ends first, the stream
/// is at its end, as that of any machine that is gone.
/// </summary>
/// <param name="connected">The connection, or null when there will be none; never faults.</param>
internal sealed class GuestConnectionStream(Task<Stream?> connected, IDisposable listener) : Stream
{
    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        await connected.WaitAsync(cancellationToken) is { } stream ? await stream.ReadAsync(buffer, cancellationToken) : 0;

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var stream = await connected.WaitAsync(cancellationToken) ?? throw new IOException("The machine ended before its agent connected.");
        await stream.WriteAsync(buffer, cancellationToken);
    }

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Read it asynchronously.");

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("Write it asynchronously.");

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>Ends the waiting, too: the listener's end completes <c>connected</c>.</summary>
    public override async ValueTask DisposeAsync()
    {
        listener.Dispose();
        if (await connected is { } stream) await stream.DisposeAsync();
        await base.DisposeAsync();
    }
}

using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Boot;

/// <summary>
/// A non-blocking descriptor as a duplex stream for one reader and one writer. Reads that must wait complete on a thread
/// of the stream's own, which then also runs the reader's next steps: no hand-over to the pool between frames. Writes
/// wait in place, on the writer's thread.
/// </summary>
internal sealed unsafe class DescriptorStream : Stream, IDirectWriter
{
    private readonly Func<SafeFileHandle>? _reconnect;
    private SafeFileHandle _file;
    private readonly AutoResetEvent _wanted = new(initialState: false);
    private readonly Thread _thread;
    private volatile TaskCompletionSource<int>? _pending;
    private Memory<byte> _target;
    private volatile bool _closed;

    /// <param name="reconnect">Makes a new connection where this one does not outlive a snapshot; null where it does.</param>
    public DescriptorStream(SafeFileHandle file, Func<SafeFileHandle>? reconnect = null)
    {
        (_file, _reconnect) = (file, reconnect);
        _thread = new(WaitForReads, 1024 * 1024) { IsBackground = true, Name = "stream" };
        _thread.Start();
    }

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Whether the end of the stream is where a restored machine begins another.</summary>
    public volatile bool MayReconnect;

    /// <summary>Whether somebody holds the other end of <paramref name="file"/> open.</summary>
    public static bool HasPeer(SafeFileHandle file) => (Wait(file, Libc.POLLOUT, 0) & Libc.POLLHUP) == 0;

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var count = TryReadNow(buffer.Span);
        if (count > 0 || (count == 0 && !MayReconnect)) return new(count);
        _target = buffer;
        // Continuations run on the stream's thread on purpose.
        var pending = new TaskCompletionSource<int>();
        _pending = pending;
        // Asked by what the thread itself is running: it will see when it comes back.
        if (Thread.CurrentThread != _thread) _wanted.Set();
        return new(pending.Task);
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var rest = buffer.Span;
        while (!rest.IsEmpty)
        {
            cancellationToken.ThrowIfCancellationRequested();
            nint count;
            // SAFETY: the span is pinned for the length of the call.
            fixed (byte* start = rest) count = Libc.write(_file, start, (nuint)rest.Length);
            if (count >= 0)
            {
                rest = rest[(int)count..];
                continue;
            }

            var errno = Libc.Errno;
            if (errno == Libc.EINTR) continue;
            if (errno != Libc.EAGAIN) throw new LinuxException("Cannot write to the host", errno);
            if ((Wait(_file, Libc.POLLOUT, -1) & (Libc.POLLHUP | Libc.POLLERR)) != 0) throw new IOException("The host has closed the stream.");
        }

        return ValueTask.CompletedTask;
    }

    public int TryWrite(ReadOnlySpan<byte> bytes)
    {
        var written = 0;
        try
        {
            while (written < bytes.Length && !_closed)
            {
                nint count;
                // SAFETY: the span is pinned for the length of the call.
                fixed (byte* start = bytes) count = Libc.write(_file, start + written, (nuint)(bytes.Length - written));
                if (count <= 0) break;
                written += (int)count;
            }
        }
        catch (ObjectDisposedException)
        {
            // Closed in this moment.
        }

        return written;
    }

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Read it asynchronously.");

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("Write it asynchronously.");

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        _closed = true;
        _wanted.Set();
        // The thread may be inside poll on the descriptor: it closes it when it comes out, or the process ends first.
        if (_pending is null) _file.Dispose();
        base.Dispose(disposing);
    }

    private void WaitForReads()
    {
        while (true)
        {
            TaskCompletionSource<int>? pending;
            while ((pending = _pending) is null && !_closed) _wanted.WaitOne();
            if (_closed || pending is null) return;
            var count = TryReadNow(_target.Span);
            while (count < 0 || (count == 0 && TryReconnect()))
            {
                Wait(_file, Libc.POLLIN, -1);
                count = TryReadNow(_target.Span);
            }

            _pending = null;
            pending.SetResult(count);
        }
    }

    private bool TryReconnect()
    {
        if (!MayReconnect || _reconnect is null) return false;
        _file.Dispose();
        _file = _reconnect();
        return true;
    }

    /// <summary>Takes what is there: the device hands out a page at a time, so several reads fill one buffer.</summary>
    /// <returns>Bytes, 0 at the end of the stream, or -1 when one has to wait.</returns>
    private int TryReadNow(Span<byte> target)
    {
        var filled = 0;
        while (filled < target.Length)
        {
            nint count;
            // SAFETY: the span is pinned for the length of the call.
            fixed (byte* start = target) count = Libc.read(_file, start + filled, (nuint)(target.Length - filled));
            if (count > 0)
            {
                filled += (int)count;
                continue;
            }

            if (filled > 0) return filled;
            if (count == 0) return 0;
            var errno = Libc.Errno;
            if (errno == Libc.EAGAIN) return -1;
            // Whatever the reason, there is no host any more that could be served.
            if (errno != Libc.EINTR) return 0;
        }

        return filled;
    }

    private static short Wait(SafeFileHandle file, short events, int milliseconds)
    {
        var poll = new Libc.PollFd { fd = (int)file.DangerousGetHandle(), events = events };
        // SAFETY: one entry, on the stack.
        _ = Libc.poll(&poll, 1, milliseconds);
        return poll.revents;
    }
}

using System.Threading.Channels;
using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Processes;

/// <summary>
/// Carries the host's bytes to a process's standard input without ever blocking the control messages that come on the
/// same channel: up to <see cref="MaxPieces"/> data frames wait here for a process that does not read.
/// </summary>
internal sealed class InputFeed : IDisposable
{
    private const int MaxPieces = 64;
    private static readonly byte[] s_endOfTransmission = [4];

    private readonly Channel<byte[]> _pieces = Channel.CreateBounded<byte[]>(MaxPieces);
    private readonly SafeFileHandle _target;
    private readonly bool _isTerminal;
    private readonly SafeFileHandle _stop = KernelFile.EventFd();
    private Thread? _writer;

    /// <param name="target">Owned.</param>
    public InputFeed(SafeFileHandle target, bool isTerminal)
    {
        (_target, _isTerminal) = (target, isTerminal);
        KernelFile.SetNonBlocking(target);
    }

    /// <summary>Takes bytes; waits when too many are waiting. Bytes for a process that has ended are dropped.</summary>
    public async ValueTask AddAsync(ReadOnlyMemory<byte> bytes)
    {
        if (_writer is null)
        {
            _writer = new(() => WriteAll(), 256 * 1024) { IsBackground = true, Name = "input" };
            _writer.Start();
        }

        while (await _pieces.Writer.WaitToWriteAsync())
        {
            if (_pieces.Writer.TryWrite(bytes.ToArray())) return;
        }
    }

    /// <summary>No more input: a pipe is closed behind the last byte, a terminal gets its end-of-file character.</summary>
    public async ValueTask EndAsync()
    {
        if (_isTerminal) await AddAsync(s_endOfTransmission);
        _pieces.Writer.TryComplete();
        if (_writer is null) _target.Dispose();
    }

    /// <summary>The process has ended: whatever waits is dropped.</summary>
    public void Dispose()
    {
        _pieces.Writer.TryComplete();
        KernelFile.Signal(_stop);
        if (_writer is null) _target.Dispose();
        else _writer.Join();
        _stop.Dispose();
    }

    private void WriteAll()
    {
        var reader = _pieces.Reader;
        while (reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            while (reader.TryRead(out var piece))
            {
                if (!TryWrite(piece)) _pieces.Writer.TryComplete();
            }
        }

        _target.Dispose();
    }

    /// <returns>False when the process does not read any more.</returns>
    private unsafe bool TryWrite(byte[] piece)
    {
        var sent = 0;
        while (sent < piece.Length)
        {
            nint count;
            // SAFETY: the rest of the pinned piece.
            fixed (byte* start = piece) count = Libc.write(_target, start + sent, (nuint)(piece.Length - sent));
            if (count >= 0)
            {
                sent += (int)count;
                continue;
            }

            var errno = Libc.Errno;
            if (errno is not (Libc.EAGAIN or Libc.EINTR) || !WaitForRoom()) return false;
        }

        return true;
    }

    private unsafe bool WaitForRoom()
    {
        var polls = stackalloc Libc.PollFd[2];
        polls[0] = new() { fd = (int)_target.DangerousGetHandle(), events = Libc.POLLOUT };
        polls[1] = new() { fd = (int)_stop.DangerousGetHandle(), events = Libc.POLLIN };
        // SAFETY: two entries, on the stack.
        _ = Libc.poll(polls, 2, -1);
        return polls[1].revents == 0;
    }
}

using System.Buffers;
using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Processes;

/// <summary>
/// Carries a process's output to the host, in the order in which it becomes readable, on a thread of its own. Without
/// credit from the host it does not read, so the process waits. When the process has ended and a background process
/// still holds the pipes, a short silence is the end; from then on what comes is thrown away, so that such a process
/// neither blocks nor gets SIGPIPE.
/// </summary>
internal sealed unsafe class OutputPump
{
    private const int SilenceMilliseconds = 200;

    /// <summary>Bounds the wait for silence; what was in the pipes when the process ended is sent in any case.</summary>
    private static readonly TimeSpan s_chatter = TimeSpan.FromSeconds(1);

    private const int PipeCapacity = 64 * 1024;
    private const long TimeIsOver = -1;

    private readonly GuestChannel _channel;
    private readonly (SafeFileHandle File, byte Lane)[] _sources;
    private readonly SafeFileHandle _ended;
    private readonly DiskWatch _disk;
    // What follows runs on the pump's thread, which has nothing else to do by then.
    private readonly TaskCompletionSource _delivered = new();

    /// <param name="disk">Is looked at now and then.</param>
    /// <param name="ended">An eventfd for the pump's own use, owned; null makes one.</param>
    /// <param name="sources">Owned: closed when nobody writes to them any more.</param>
    public OutputPump(GuestChannel channel, DiskWatch disk, SafeFileHandle? ended, params (SafeFileHandle File, byte Lane)[] sources)
    {
        (_channel, _disk, _ended, _sources) = (channel, disk, ended ?? KernelFile.EventFd(), sources);
        KeptThread.Run(Run);
    }

    /// <summary>Ends when all that belongs to the process has been sent, or nobody can write any more; faults when the host gave up.</summary>
    public Task Delivered => _delivered.Task;

    /// <summary>The process has ended: what is still there is the rest.</summary>
    public void OnEnded()
    {
        lock (_sources)
        {
            if (!_ended.IsClosed) KernelFile.Signal(_ended);
        }
    }

    private void Run()
    {
        var buffer = ArrayPool<byte>.Shared.Rent(PipeCapacity);
        try
        {
            Deliver(buffer);
            _delivered.TrySetResult();
        }
        catch (ChannelResetException e)
        {
            _delivered.TrySetException(e);
        }

        while (!AllClosed()) Poll(buffer, -1, untilEnd: false, static (_, _) => { }, out _);
        ArrayPool<byte>.Shared.Return(buffer);
        lock (_sources) _ended.Dispose();
    }

    private void Deliver(byte[] buffer)
    {
        var ended = false;
        var endedAt = 0L;
        var rest = 0L;
        while (!AllClosed())
        {
            if (!ended) _disk.LookNowAndThen();
            var bytes = Poll(buffer, ended ? SilenceMilliseconds : _disk.Milliseconds, untilEnd: !ended, Send, out var sawEnd);
            if (ended)
            {
                if (bytes == TimeIsOver) return;
                rest -= bytes;
                if (rest <= 0 && Stopwatch.GetElapsedTime(endedAt) > s_chatter) return;
            }
            else if (sawEnd)
            {
                (ended, endedAt, rest) = (true, Stopwatch.GetTimestamp(), Waiting());
            }
        }
    }

    private void Send(byte lane, ReadOnlyMemory<byte> bytes)
    {
        var sending = _channel.WriteAsync(lane, bytes);
        if (!sending.IsCompleted) sending.AsTask().GetAwaiter().GetResult();
        else sending.GetAwaiter().GetResult();
    }

    /// <summary>Waits until something is readable, takes one piece from each such source and hands it on.</summary>
    /// <returns>Bytes handed on, or <see cref="TimeIsOver"/>.</returns>
    private long Poll(byte[] buffer, int milliseconds, bool untilEnd, Action<byte, ReadOnlyMemory<byte>> hand, out bool sawEnd)
    {
        var polls = stackalloc Libc.PollFd[_sources.Length + 1];
        for (var i = 0; i < _sources.Length; i++)
        {
            // A negative descriptor is skipped by poll.
            polls[i] = new() { fd = _sources[i].File.IsClosed ? -1 : (int)_sources[i].File.DangerousGetHandle(), events = Libc.POLLIN };
        }

        // Once it has fired it stays readable; whoever waits after that does not ask for it.
        polls[_sources.Length] = new() { fd = untilEnd ? (int)_ended.DangerousGetHandle() : -1, events = Libc.POLLIN };
        // SAFETY: as many entries as were allocated; the descriptors are closed by this thread only.
        var ready = Libc.poll(polls, (nuint)(_sources.Length + 1), milliseconds);
        sawEnd = polls[_sources.Length].revents != 0;

        if (ready == 0) return TimeIsOver;
        var total = 0L;
        for (var i = 0; i < _sources.Length; i++)
        {
            if (polls[i].revents != 0) total += Take(_sources[i], buffer, hand);
        }

        return total;
    }

    private static long Take((SafeFileHandle File, byte Lane) source, byte[] buffer, Action<byte, ReadOnlyMemory<byte>> hand)
    {
        nint count;
        // SAFETY: the kernel writes at most the buffer's length into it.
        fixed (byte* start = buffer) count = Libc.read(source.File, start, (nuint)buffer.Length);
        if (count > 0)
        {
            hand(source.Lane, buffer.AsMemory(0, (int)count));
            return count;
        }

        // The end of a pipe is 0, that of a terminal EIO.
        if (count == 0 || Libc.Errno is not (Libc.EINTR or Libc.EAGAIN)) source.File.Dispose();
        return 0;
    }

    /// <returns>Bytes in the pipes at this moment.</returns>
    private long Waiting()
    {
        var total = 0L;
        foreach (var (file, _) in _sources)
        {
            var bytes = 0;
            // SAFETY: the call fills an int on the stack.
            if (!file.IsClosed && Libc.ioctl(file, Libc.FIONREAD, &bytes) == 0) total += bytes;
        }

        return total;
    }

    private bool AllClosed() => _sources.All(static s => s.File.IsClosed);
}

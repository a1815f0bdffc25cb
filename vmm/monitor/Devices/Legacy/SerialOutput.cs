using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.RateLimiting;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Monitor.Devices.Legacy;

/// <summary>
/// Carries the guest's console out. A vCPU only puts its byte into a ring; the event loop writes what has gathered. A
/// reader that is too slow blocks nobody: what finds no room is lost, counted, and said in the stream itself.
/// </summary>
internal sealed class SerialOutput : IDisposable
{
    private const int Capacity = 64 * 1024;

    /// <summary>A pipe that polls writable takes as much without blocking (PIPE_BUF).</summary>
    private const int MostAtOnce = 4096;

    private readonly FileDescriptor _output;
    private readonly EventLoop _loop;
    private readonly EventFd _news = new();
    private readonly Watch _newsWatch;
    private readonly Lock _lock = new();
    private readonly byte[] _ring = GC.AllocateUninitializedArray<byte>(Capacity); // Memory is taken as the ring fills.
    private readonly byte[] _piece = new byte[MostAtOnce];
    private readonly TokenBucket? _limit;
    private Watch? _roomWatch;
    private int _start;
    private int _count;
    private long _lost;
    private long _lostUnsaid;
    private long _limited;
    private bool _broken;

    /// <param name="output">Taken over.</param>
    /// <param name="limit">Of the guest's bytes; null: none.</param>
    public SerialOutput(FileDescriptor output, EventLoop loop, TokenBucket? limit = null)
    {
        (_output, _loop, _limit) = (output, loop, limit);
        _newsWatch = loop.Watch(_news.Descriptor, EpollEvents.Readable, _ =>
        {
            _news.Drain();
            WriteOut();
        });
    }

    /// <summary>Bytes that found no room.</summary>
    public long Lost => Interlocked.Read(ref _lost);

    /// <summary>Bytes beyond the limit, which are gone without a word, as in Firecracker.</summary>
    public long Limited => Interlocked.Read(ref _limited);

    /// <summary>Any thread; never blocks.</summary>
    public void Put(byte value)
    {
        bool first;
        lock (_lock)
        {
            if (_limit is { } limit)
            {
                if (limit.DelayFor(1) > TimeSpan.Zero)
                {
                    Interlocked.Increment(ref _limited);
                    return;
                }

                limit.Take(1);
            }

            if (_count == Capacity)
            {
                Interlocked.Increment(ref _lost);
                _lostUnsaid++;
                return;
            }

            _ring[(_start + _count) % Capacity] = value;
            first = _count++ == 0;
        }

        if (first) _news.Signal();
    }

    /// <summary>Writes the rest, waiting for a slow reader for as long as it takes some of it at least each second.</summary>
    public void Flush()
    {
        while (TryTake(out var piece))
        {
            if (!_output.WaitWritable(1000)) return;
            Write(piece);
        }
    }

    public void Dispose()
    {
        _newsWatch.Dispose();
        _roomWatch?.Dispose();
        _news.Dispose();
        _output.Dispose();
    }

    /// <summary>On the loop: as much as the reader takes now; the rest when it has room again.</summary>
    private void WriteOut()
    {
        while (_output.WaitWritable(0))
        {
            if (TryTake(out var piece)) Write(piece);
            else
            {
                _roomWatch?.Dispose();
                _roomWatch = null;
                return;
            }
        }

        _roomWatch ??= _loop.Watch(_output, EpollEvents.Writable, _ => WriteOut());
    }

    /// <summary>The oldest bytes, still in the ring until they are written.</summary>
    private bool TryTake(out ReadOnlySpan<byte> piece)
    {
        lock (_lock)
        {
            SayWhatWasLost_NeedsLock();
            var count = Math.Min(_count, MostAtOnce);
            for (var i = 0; i < count; i++) _piece[i] = _ring[(_start + i) % Capacity];
            piece = _piece.AsSpan(0, count);
            return count > 0;
        }
    }

    private void Write(ReadOnlySpan<byte> piece)
    {
        // Nobody reads any more: the guest goes on without its console.
        var written = _broken ? piece.Length : _output.Write(piece);
        if (written < 0)
        {
            if (written is -LibC.EAGAIN or -LibC.EINTR) return;
            _broken = true;
            written = piece.Length;
        }

        lock (_lock) (_start, _count) = ((int)((_start + written) % Capacity), _count - (int)written);
    }

    private void SayWhatWasLost_NeedsLock()
    {
        if (_lostUnsaid == 0 || _count > Capacity / 2) return;
        foreach (var c in $"\r\n[{_lostUnsaid} bytes of the console were lost: nobody read them in time]\r\n")
            _ring[(_start + _count++) % Capacity] = (byte)c;
        _lostUnsaid = 0;
    }
}

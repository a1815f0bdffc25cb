using System.Buffers.Binary;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Net;

/// <summary>Frames for the guest, from the responder and the TAP device straight into its buffers.</summary>
internal sealed partial class NetDevice
{
    /// <summary>Where struct virtio_net_hdr_v1 says over how many buffers a frame goes.</summary>
    private const uint BufferCountOffset = 10;

    private readonly GuestBuffers _room = new(MostPieces);
    private readonly (ushort Head, uint Length)[] _buffers = new (ushort, uint)[QueueSize];
    private int _bufferCount;
    private bool _merges;
    private uint _longest;
    private bool _readable;

    /// <summary>Bytes of the frame that lies in the guest's buffers and waits for its tokens; zero: none does.</summary>
    private uint _held;

    private long? _armed;

    /// <summary>A frame that could not go straight into the guest's buffers, behind its header; made when the first one comes.</summary>
    private byte[]? _aside;

    private int _asideLength;

    private void ServeReceive()
    {
        if (_activation is not { } activation || _receiveLimiter.IsBlocked) return;
        var queue = activation.Queues[Receive];
        var left = Share;
        while (left > 0 && TryReceive(queue)) left--;
        queue.NotifyDriver();
        if (left == 0) activation.Host.NotifyAgain(Receive);
        ArmTimer();
    }

    /// <summary>One frame; false when there is none, no room for it, or no token.</summary>
    private bool TryReceive(Virtqueue queue)
    {
        if (_held > 0) return TryPay(queue, _held);
        if (_asideLength > 0 || TryTakeAnswer()) return TryGiveAside(queue);
        if (!_readable) return false;
        if (!TryGather(queue, _longest, out var some)) return some && TryReadAside() && TryGiveAside(queue);
        var read = _room.ReadFrom(_tap.Descriptor);
        if (read > 0) return TryPay(queue, (uint)read);
        PutBack(queue, 0);
        NothingRead(read);
        return false;
    }

    private void NothingRead(long result)
    {
        _readable = false;
        if (result != -LibC.EAGAIN) Counters.ReadFailures++;
    }

    /// <summary>How long a frame is shows when it was read, so it waits for its tokens where it lies.</summary>
    private bool TryPay(Virtqueue queue, uint length)
    {
        _held = length;
        if (!_receiveLimiter.TryConsume(length))
        {
            Counters.ReceiveThrottled++;
            return false;
        }

        _held = 0;
        Counters.ReceivedFrames++;
        Counters.ReceivedBytes += length;
        Give(queue, length);
        return true;
    }

    private bool TryTakeAnswer()
    {
        if (_responder is null) return false;
        _aside ??= new byte[LongestFrame];
        if (!_responder.TryTake(_aside.AsSpan(TapDevice.HeaderBytes), out var length)) return false;
        _aside.AsSpan(0, TapDevice.HeaderBytes).Clear(); // Nothing was left undone.
        _asideLength = TapDevice.HeaderBytes + length;
        return true;
    }

    /// <summary>
    /// The guest has some buffers, and fewer than the longest frame needs: the next one may fit all the same, and its length
    /// shows when it was read. Truncated it would be lost.
    /// </summary>
    private bool TryReadAside()
    {
        _aside ??= new byte[LongestFrame];
        var read = _tap.Read(_aside);
        if (read > 0) _asideLength = (int)read;
        else NothingRead(read);
        return read > 0;
    }

    private bool TryGiveAside(Virtqueue queue)
    {
        if (!TryGather(queue, (uint)_asideLength, out _)) return false;
        var length = (uint)_asideLength;
        _room.CopyFrom(0, _aside.AsSpan(0, _asideLength));
        _asideLength = 0;
        return TryPay(queue, length);
    }

    /// <summary>Takes buffers for <paramref name="need"/> bytes from the queue: one, unless the driver lets a frame go over several (5.1.6.3.2).</summary>
    /// <param name="some">Whether there were any.</param>
    /// <returns>False when there are not enough; then the driver will notify of more, and none was taken.</returns>
    private bool TryGather(Virtqueue queue, uint need, out bool some)
    {
        some = true;
        _room.Clear();
        _bufferCount = 0;
        while (_bufferCount < _buffers.Length && queue.TryPop(_chain))
        {
            var length = _chain.Writable.Length;
            if (length < TapDevice.HeaderBytes || (!_merges && length < Math.Min(need, LongestPlainFrame)))
            {
                if (_bufferCount > 0)
                {
                    queue.UndoPop(); // Its turn comes when it is the first.
                    break;
                }

                Counters.ReceiveFailures++;
                queue.Push(_chain.Head, 0);
                continue;
            }

            if (!_chain.Writable.TryMoveTo(_room, length))
            {
                queue.UndoPop();
                break;
            }

            _buffers[_bufferCount++] = (_chain.Head, length);
            if (!_merges || _room.Length >= need) return true;
        }

        some = _bufferCount > 0;
        if (!some) Counters.NoBuffers++;
        PutBack(queue, 0);
        return false;
    }

    /// <summary>The frame lies in the gathered buffers; those it did not need go back.</summary>
    private void Give(Virtqueue queue, uint length)
    {
        var (used, left) = (0, length);
        while (left > 0 && used < _bufferCount) left -= Math.Min(left, _buffers[used++].Length);
        Span<byte> count = stackalloc byte[sizeof(ushort)];
        BinaryPrimitives.WriteUInt16LittleEndian(count, (ushort)used);
        _room.CopyFrom(BufferCountOffset, count);
        PutBack(queue, used);
        for (var i = 0; i < used; i++)
        {
            var written = Math.Min(length, _buffers[i].Length);
            queue.Push(_buffers[i].Head, written);
            length -= written;
        }
    }

    private void PutBack(Virtqueue queue, int from)
    {
        for (var i = _bufferCount; i > from; i--) queue.UndoPop();
        _bufferCount = from;
    }

    private void OnTimer()
    {
        _timer.Drain();
        _armed = null;
    }

    /// <summary>For what the responder does without being asked: sending again.</summary>
    private void ArmTimer()
    {
        if (_responder?.Due is not { } due || _armed <= due) return;
        _armed = due;
        _timer.Arm(_time.GetElapsedTime(_time.GetTimestamp(), due));
    }
}

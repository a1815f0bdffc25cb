namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Block;

/// <summary>From the queue to the disk and back (virtio 1.2, 5.2.6).</summary>
internal sealed partial class BlockDevice
{
    private const byte Ok = 0;
    private const byte IoError = 1;
    private const byte Unsupported = 2;

    private void Serve()
    {
        if (_activation is not { } activation || _limiter.IsBlocked) return;
        var queue = activation.Queues[0];
        for (var left = queue.Size; queue.TryPop(_chain); left--)
        {
            if (left == 0)
            {
                queue.UndoPop();
                activation.Host.NotifyAgain(0);
                break;
            }

            var request = _reader.Read(_chain, new(_disk.Sectors, _drive.IsReadOnly));
            if (!_limiter.TryConsume(request.Traffic))
            {
                Counters.Throttled++;
                queue.UndoPop();
                break;
            }

            queue.Push(_chain.Head, Answer(request));
        }

        queue.NotifyDriver();
    }

    /// <returns>Bytes written into the chain, as the used ring tells them.</returns>
    private uint Answer(BlockRequest request)
    {
        if (request.Operation == BlockOperation.Unanswerable)
        {
            Counters.InvalidRequests++;
            return 0;
        }

        var status = Execute(request, out var written);
        _chain.Writable.WriteTakenByte(status);
        return written + 1;
    }

    private byte Execute(BlockRequest request, out uint written)
    {
        written = 0;
        switch (request.Operation)
        {
            case BlockOperation.Read:
                var read = _disk.Read(_chain.Writable, request.Offset, out written);
                Counters.Reads++;
                Counters.ReadBytes += written;
                return Status(read);
            case BlockOperation.Write:
                var done = _disk.Write(_chain.Readable, request.Offset, out var moved);
                Counters.Writes++;
                Counters.WriteBytes += moved;
                return Status(done);
            case BlockOperation.Flush:
                Counters.Flushes++;
                // Unsafe: the driver was not told that it may ask, and gets no more than it was promised.
                return Status(_drive.CacheType == Configuration.CacheType.Unsafe || _disk.Flush());
            case BlockOperation.GetId:
                written = (uint)_chain.Writable.CopyFrom(0, _id);
                return Ok;
            case BlockOperation.Discard or BlockOperation.WriteZeroes:
                return Status(ExecuteRanges(request));
            default:
                Counters.InvalidRequests++;
                return request.Operation == BlockOperation.Unsupported ? Unsupported : IoError;
        }
    }

    private bool ExecuteRanges(BlockRequest request)
    {
        foreach (var range in _reader.Ranges[..request.Ranges])
        {
            Counters.Discards++;
            if (!(request.Operation == BlockOperation.Discard ? _disk.Discard(range) : _disk.WriteZeroes(range))) return false;
        }

        return true;
    }

    private byte Status(bool done)
    {
        if (done) return Ok;
        Counters.Failures++;
        return IoError;
    }
}

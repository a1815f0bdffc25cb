using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;

/// <summary>
/// What the guest sent and the host's socket did not take yet: a ring of bytes. It takes memory once it is needed, which
/// most connections never do, and keeps it then.
/// </summary>
/// <param name="capacity">In bytes; the credit the guest is given.</param>
internal sealed class VsockTransmitBuffer(uint capacity)
{
    private byte[]? _bytes;
    private uint _first;

    public uint Count { get; private set; }

    /// <summary>Appends all of <paramref name="payload"/>, which has room: the guest's credit was checked.</summary>
    public void Append(GuestBuffers payload)
    {
        var length = payload.Length;
        if (length == 0) return;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, capacity - Count);
        _bytes ??= GC.AllocateUninitializedArray<byte>((int)capacity);
        var end = (_first + Count) % capacity;
        var run = Math.Min(length, capacity - end);
        payload.CopyTo(0, _bytes.AsSpan((int)end, (int)run));
        payload.CopyTo(run, _bytes.AsSpan(0, (int)(length - run)));
        Count += length;
    }

    /// <summary>Hands on as much as the socket takes.</summary>
    /// <returns>Bytes handed on, or -errno when the socket takes none ever again.</returns>
    public long FlushTo(FileDescriptor socket)
    {
        long flushed = 0;
        while (Count > 0)
        {
            var run = Math.Min(Count, capacity - _first);
            var written = UnixSocket.Write(socket, _bytes.AsSpan((int)_first, (int)run));
            if (written == -LibC.EAGAIN) break;
            if (written < 0) return written;
            _first = (_first + (uint)written) % capacity;
            Count -= (uint)written;
            flushed += written;
        }

        return flushed;
    }

    public void Clear() => (_bytes, _first, Count) = (null, 0, 0);
}

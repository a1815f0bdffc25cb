using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Memory;

/// <summary>
/// The buffers of one request, as the guest scattered them over its memory: a list of checked ranges that reads as one
/// run of bytes. Filled again for each request, so a device's hot path allocates nothing.
/// </summary>
/// <remarks>One thread at a time. What it holds is only good until the next <see cref="Clear"/>.</remarks>
internal sealed unsafe partial class GuestBuffers
{
    private readonly iovec[] _pieces;
    private readonly GuestAddress[] _addresses;
    private GuestMemory? _memory;

    /// <param name="capacity">Most pieces a request may have: 1 to 1024 (IOV_MAX).</param>
    public GuestBuffers(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, LibC.IOV_MAX);
        _pieces = GC.AllocateArray<iovec>(capacity, pinned: true);
        _addresses = new GuestAddress[capacity];
    }

    /// <summary>In bytes; never above <see cref="uint.MaxValue"/> (virtio 1.2, 2.7.4.2: a chain of at most 2^32 bytes).</summary>
    public uint Length { get; private set; }

    /// <summary>Pieces, of which some may be empty.</summary>
    public int Count { get; private set; }

    public void Clear() => (Length, Count) = (0, 0);

    /// <summary>Where in the guest's memory a piece lies, below <see cref="Count"/>.</summary>
    public (GuestAddress Address, uint Length) this[int piece] =>
        piece < Count ? (_addresses[piece], (uint)_pieces[piece].iov_len) : throw new ArgumentOutOfRangeException(nameof(piece));

    /// <summary>Appends a range; false when there are too many or they are together longer than 2^32 - 1 bytes.</summary>
    /// <exception cref="GuestMemoryException">Not the guest's memory.</exception>
    public bool TryAdd(GuestMemory memory, GuestAddress address, uint length)
    {
        if (Count == _pieces.Length || length > uint.MaxValue - Length) return false;
        // SAFETY: Resolve checked the range; the mapping outlives every device, and so this list.
        var piece = new iovec { iov_base = memory.Resolve(address, length), iov_len = length };
        _memory = memory;
        _addresses[Count] = address;
        _pieces[Count++] = piece;
        Length += length;
        return true;
    }

    /// <summary>Copies out of the guest from <paramref name="offset"/>; returns how many bytes there were, at most as many as fit.</summary>
    public int CopyTo(uint offset, Span<byte> into)
    {
        var copied = 0;
        for (var i = 0; i < Count && copied < into.Length; i++)
        {
            ref readonly var piece = ref _pieces[i];
            if (offset >= piece.iov_len)
            {
                offset -= (uint)piece.iov_len;
                continue;
            }

            var count = (int)Math.Min(piece.iov_len - offset, (nuint)(into.Length - copied));
            // SAFETY: `count` bytes at `offset` lie inside a checked piece.
            new ReadOnlySpan<byte>((byte*)piece.iov_base + offset, count).CopyTo(into[copied..]);
            copied += count;
            offset = 0;
        }

        return copied;
    }

    /// <summary>Copies into the guest at <paramref name="offset"/>; returns how many bytes found room.</summary>
    public int CopyFrom(uint offset, ReadOnlySpan<byte> bytes)
    {
        var copied = 0;
        for (var i = 0; i < Count && copied < bytes.Length; i++)
        {
            ref readonly var piece = ref _pieces[i];
            if (offset >= piece.iov_len)
            {
                offset -= (uint)piece.iov_len;
                continue;
            }

            var count = (int)Math.Min(piece.iov_len - offset, (nuint)(bytes.Length - copied));
            // SAFETY: `count` bytes at `offset` lie inside a checked, writable piece.
            bytes.Slice(copied, count).CopyTo(new Span<byte>((byte*)piece.iov_base + offset, count));
            _memory!.MarkWritten(_addresses[i] + offset, (ulong)count);
            copied += count;
            offset = 0;
        }

        return copied;
    }

    /// <summary>Drops the first <paramref name="count"/> bytes: a header that was read.</summary>
    /// <returns>False, and nothing changed, when there are not so many.</returns>
    public bool TrySkip(uint count)
    {
        if (count > Length) return false;
        Length -= count;
        for (var i = 0; count > 0; i++)
        {
            ref var piece = ref _pieces[i];
            var taken = (uint)Math.Min(piece.iov_len, count);
            piece.iov_base = (byte*)piece.iov_base + taken;
            piece.iov_len -= taken;
            _addresses[i] += taken;
            count -= taken;
        }

        return true;
    }

    /// <summary>Moves the first <paramref name="count"/> bytes to the end of another list: a header that is written after its payload.</summary>
    /// <returns>False, and nothing changed, when there are not so many or they have no room there.</returns>
    public bool TryMoveTo(GuestBuffers head, uint count)
    {
        if (count > Length || count > uint.MaxValue - head.Length) return false;
        var (left, moved) = (count, head.Count);
        for (var i = 0; left > 0; i++)
        {
            if (moved == head._pieces.Length) return false;
            var taken = (uint)Math.Min(_pieces[i].iov_len, left);
            // SAFETY: the first `taken` bytes of a checked piece.
            head._pieces[moved] = new iovec { iov_base = _pieces[i].iov_base, iov_len = taken };
            head._addresses[moved++] = _addresses[i];
            left -= taken;
        }

        (head.Count, head.Length, head._memory) = (moved, head.Length + count, _memory);
        return TrySkip(count);
    }

    /// <summary>Keeps only the first <paramref name="length"/> bytes.</summary>
    public void Truncate(uint length)
    {
        if (length >= Length) return;
        Length = length;
        for (var i = 0; i < Count; i++)
        {
            ref var piece = ref _pieces[i];
            piece.iov_len = (nuint)Math.Min(piece.iov_len, length);
            length -= (uint)piece.iov_len;
        }
    }

    /// <summary>preadv(2) from a file into the guest. Returns bytes read, or -errno.</summary>
    public long ReadFrom(FileDescriptor file, long fileOffset)
    {
        using var fd = file.Borrow();
        fixed (iovec* pieces = _pieces)
        {
            // SAFETY: every piece is a checked, writable range; the kernel copies during the call only.
            return MarkWritten(LibC.ResultOrErrno(LibC.preadv(fd.Fd, pieces, Count, fileOffset)));
        }
    }

    /// <summary>pwritev(2) from the guest into a file. Returns bytes written, or -errno.</summary>
    public long WriteTo(FileDescriptor file, long fileOffset)
    {
        using var fd = file.Borrow();
        fixed (iovec* pieces = _pieces)
        {
            // SAFETY: every piece is a checked range; the kernel copies during the call only.
            return LibC.ResultOrErrno(LibC.pwritev(fd.Fd, pieces, Count, fileOffset));
        }
    }

    /// <summary>readv(2) from a socket or TAP device into the guest. Returns bytes read, or -errno.</summary>
    public long ReadFrom(FileDescriptor stream)
    {
        using var fd = stream.Borrow();
        fixed (iovec* pieces = _pieces)
        {
            // SAFETY: every piece is a checked, writable range; the kernel copies during the call only.
            return MarkWritten(LibC.ResultOrErrno(LibC.readv(fd.Fd, pieces, Count)));
        }
    }

    /// <summary>As <see cref="ReadFrom(FileDescriptor)"/>, but no more than <paramref name="atMost"/> bytes.</summary>
    public long ReadFrom(FileDescriptor stream, uint atMost)
    {
        if (atMost >= Length) return ReadFrom(stream);
        var (last, before) = (0, 0u);
        while (atMost - before > _pieces[last].iov_len) before += (uint)_pieces[last++].iov_len;
        var whole = _pieces[last].iov_len;
        _pieces[last].iov_len = atMost - before;
        using var fd = stream.Borrow();
        fixed (iovec* pieces = _pieces)
        {
            // SAFETY: every piece is (the beginning of) a checked, writable range; the kernel copies during the call only.
            var read = LibC.ResultOrErrno(LibC.readv(fd.Fd, pieces, last + 1));
            _pieces[last].iov_len = whole;
            return MarkWritten(read);
        }
    }

    /// <summary>writev(2) from the guest into a socket or TAP device. Returns bytes written, or -errno.</summary>
    public long WriteTo(FileDescriptor stream)
    {
        using var fd = stream.Borrow();
        fixed (iovec* pieces = _pieces)
        {
            // SAFETY: every piece is a checked range; the kernel copies during the call only.
            return LibC.ResultOrErrno(LibC.writev(fd.Fd, pieces, Count));
        }
    }

    /// <summary>A system call has filled the beginning.</summary>
    /// <param name="result">Bytes, or -errno.</param>
    /// <returns>The same.</returns>
    private long MarkWritten(long result)
    {
        for (var (i, left) = (0, result); left > 0 && i < Count; i++)
        {
            var length = Math.Min(left, (long)_pieces[i].iov_len);
            _memory!.MarkWritten(_addresses[i], (ulong)length);
            left -= length;
        }

        return result;
    }
}

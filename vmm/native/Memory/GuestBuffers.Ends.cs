using System.Runtime.InteropServices;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Memory;

/// <summary>What single devices need of a request's buffers.</summary>
internal sealed unsafe partial class GuestBuffers
{
    private byte* _lastByte;
    private GuestAddress _lastAddress;

    /// <summary>
    /// Takes the last byte off, for <see cref="WriteTakenByte"/>: where a block request's status goes once its data has.
    /// </summary>
    /// <returns>False when there is none.</returns>
    public bool TryTakeLastByte()
    {
        for (var i = Count - 1; i >= 0; i--)
        {
            ref var piece = ref _pieces[i];
            if (piece.iov_len == 0) continue;
            piece.iov_len--;
            Length--;
            _lastByte = (byte*)piece.iov_base + piece.iov_len;
            _lastAddress = _addresses[i] + piece.iov_len;
            return true;
        }

        return false;
    }

    /// <summary>After <see cref="TryTakeLastByte"/> said yes, for the same request.</summary>
    public void WriteTakenByte(byte value)
    {
        // SAFETY: the byte was the last of a checked, writable piece of this request.
        *_lastByte = value;
        _memory!.MarkWritten(_lastAddress, 1);
    }

    /// <summary>Fills the beginning with the kernel's random bytes (getrandom(2)). Returns how many, or -errno if none.</summary>
    public long FillRandom(uint atMost) => MarkWritten(Fill(atMost));

    private long Fill(uint atMost)
    {
        long filled = 0;
        for (var i = 0; i < Count && filled < atMost; i++)
        {
            ref readonly var piece = ref _pieces[i];
            nuint done = 0;
            var wanted = (nuint)Math.Min(piece.iov_len, (ulong)(atMost - filled));
            while (done < wanted)
            {
                // SAFETY: the rest of a checked, writable piece; the kernel writes during the call only.
                var got = LibC.getrandom((byte*)piece.iov_base + done, wanted - done, 0);
                if (got < 0 && Marshal.GetLastPInvokeError() == LibC.EINTR) continue;
                if (got <= 0) return filled > 0 ? filled : LibC.ResultOrErrno(got);
                done += (nuint)got;
                filled += got;
            }
        }

        return filled;
    }
}

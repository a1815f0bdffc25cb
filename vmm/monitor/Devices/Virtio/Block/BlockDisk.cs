using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Block;

/// <summary>Carries checked requests out on the file. Each call is one request, whole; false: the host failed it.</summary>
internal sealed class BlockDisk(DiskFile file) : IDisposable
{
    private bool _holes = true;
    private bool _zeroRanges = true;

    /// <summary>Bytes of the file beyond the last whole sector are not shown, as in Firecracker.</summary>
    public ulong Sectors => (ulong)file.Size / BlockRequestReader.SectorSize;

    /// <summary>20 bytes at most are shown (5.2.6.1).</summary>
    public string Identity => file.Identity;

    public void Look(string path) => file.Look(path);

    public bool Read(GuestBuffers into, long offset, out uint moved)
    {
        moved = 0;
        while (into.Length > 0)
        {
            var count = into.ReadFrom(file.Descriptor, offset + moved);
            if (count == -LibC.EINTR) continue;
            // Zero: the file has become shorter than the disk.
            if (count <= 0) return false;
            into.TrySkip((uint)count);
            moved += (uint)count;
        }

        return true;
    }

    public bool Write(GuestBuffers from, long offset, out uint moved)
    {
        moved = 0;
        while (from.Length > 0)
        {
            var count = from.WriteTo(file.Descriptor, offset + moved);
            if (count == -LibC.EINTR) continue;
            if (count <= 0) return false;
            from.TrySkip((uint)count);
            moved += (uint)count;
        }

        return true;
    }

    public bool Flush() => file.Flush() == 0;

    /// <summary>5.2.6.2: a discard is a wish; where the file system has no holes nothing happens.</summary>
    public bool Discard(BlockRange range)
    {
        if (!_holes || range.Length == 0) return true;
        var result = file.PunchHole(range.Offset, range.Length);
        if (result != -LibC.EOPNOTSUPP) return result == 0;
        _holes = false;
        return true;
    }

    /// <summary>By a hole where the driver allows it, else by what the file system has for it, else by zeroes.</summary>
    public bool WriteZeroes(BlockRange range)
    {
        if (range.Length == 0) return true;
        if (range.MayUnmap && _holes)
        {
            var result = file.PunchHole(range.Offset, range.Length);
            if (result != -LibC.EOPNOTSUPP) return result == 0;
            _holes = false;
        }

        if (_zeroRanges)
        {
            var result = file.ZeroRange(range.Offset, range.Length);
            if (result != -LibC.EOPNOTSUPP) return result == 0;
            _zeroRanges = false;
        }

        return file.WriteZeroes(range.Offset, range.Length) == 0;
    }

    public void Dispose() => file.Dispose();
}

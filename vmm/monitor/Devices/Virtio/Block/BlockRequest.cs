using System.Buffers.Binary;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Block;

internal enum BlockOperation
{
    /// <summary>No room for a status: it goes back as it came.</summary>
    Unanswerable,

    /// <summary>VIRTIO_BLK_S_IOERR: what it asks for cannot be.</summary>
    Rejected,

    /// <summary>VIRTIO_BLK_S_UNSUPP: we do not do such.</summary>
    Unsupported,
    Read,
    Write,
    Flush,
    GetId,
    Discard,
    WriteZeroes,
}

/// <summary>A request as it was checked: only this is carried out (virtio 1.2, 5.2.6).</summary>
/// <param name="Offset">Of its first byte on the disk.</param>
/// <param name="Length">Bytes of data of a read or write; all on the disk.</param>
/// <param name="Ranges">Of a discard or write-zeroes: how many of <see cref="BlockRequestReader.Ranges"/>.</param>
internal readonly record struct BlockRequest(BlockOperation Operation, long Offset = 0, uint Length = 0, int Ranges = 0)
{
    /// <summary>What counts against the bandwidth.</summary>
    public uint Traffic => Operation is BlockOperation.Read or BlockOperation.Write ? Length : 0;
}

/// <summary>Part of a discard or write-zeroes, in bytes.</summary>
internal readonly record struct BlockRange(long Offset, long Length, bool MayUnmap);

/// <summary>What a request is checked against.</summary>
internal readonly record struct BlockLimits(ulong Sectors, bool ReadOnly);

/// <summary>
/// Makes a request out of a chain, wherever its header's bytes are scattered (2.7.4.2: the device may not rely on how the
/// driver divides it). Afterwards the chain's buffers hold the data alone, and the status byte is set aside.
/// </summary>
internal sealed class BlockRequestReader
{
    public const int SectorSize = 512;
    public const int MostRanges = 32;

    /// <summary>2 GiB: a hole is quickly made.</summary>
    public const uint MostDiscardSectors = 1u << 22;

    /// <summary>32 MiB: where the file system cannot zero, so much is written while everybody waits.</summary>
    public const uint MostZeroSectors = 1u << 16;

    private const int IdLength = 20;
    private const int HeaderLength = 16;
    private const int RangeLength = 16;
    private const uint UnmapFlag = 1;

    private readonly BlockRange[] _ranges = new BlockRange[MostRanges];

    public ReadOnlySpan<BlockRange> Ranges => _ranges;

    public BlockRequest Read(DescriptorChain chain, BlockLimits disk)
    {
        if (!chain.Writable.TryTakeLastByte()) return new(BlockOperation.Unanswerable);
        Span<byte> header = stackalloc byte[HeaderLength];
        if (chain.Readable.CopyTo(0, header) < HeaderLength) return new(BlockOperation.Rejected);
        chain.Readable.TrySkip(HeaderLength);
        var sector = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
        return BinaryPrimitives.ReadUInt32LittleEndian(header) switch
        {
            0 => Transfer(BlockOperation.Read, sector, chain.Writable.Length, disk),
            1 when disk.ReadOnly => new(BlockOperation.Rejected), // 5.2.6.2: VIRTIO_BLK_S_IOERR
            1 => Transfer(BlockOperation.Write, sector, chain.Readable.Length, disk),
            4 => new(BlockOperation.Flush),
            8 when chain.Writable.Length < IdLength => new(BlockOperation.Rejected),
            8 => new(BlockOperation.GetId),
            11 when !disk.ReadOnly => ReadRanges(BlockOperation.Discard, chain.Readable, MostDiscardSectors, disk),
            13 when !disk.ReadOnly => ReadRanges(BlockOperation.WriteZeroes, chain.Readable, MostZeroSectors, disk),
            _ => new(BlockOperation.Unsupported),
        };
    }

    private static BlockRequest Transfer(BlockOperation operation, ulong sector, uint length, BlockLimits disk) =>
        length % SectorSize == 0 && Fits(sector, length / SectorSize, disk)
            ? new(operation, (long)sector * SectorSize, length)
            : new(BlockOperation.Rejected);

    /// <summary>struct virtio_blk_discard_write_zeroes, all of them checked before the first is carried out.</summary>
    private BlockRequest ReadRanges(BlockOperation operation, GuestBuffers data, uint most, BlockLimits disk)
    {
        var count = data.Length / RangeLength;
        if (data.Length % RangeLength != 0 || count is 0 or > MostRanges) return new(BlockOperation.Rejected);
        Span<byte> range = stackalloc byte[RangeLength];
        for (var i = 0; i < count; i++)
        {
            data.CopyTo((uint)(i * RangeLength), range);
            var sector = BinaryPrimitives.ReadUInt64LittleEndian(range);
            var sectors = BinaryPrimitives.ReadUInt32LittleEndian(range[8..]);
            var flags = BinaryPrimitives.ReadUInt32LittleEndian(range[12..]);
            // 5.2.6.2: a reserved flag, or unmap for a discard, is unsupported; too much or outside is an error.
            if ((flags & ~UnmapFlag) != 0 || (flags != 0 && operation == BlockOperation.Discard)) return new(BlockOperation.Unsupported);
            if (sectors > most || !Fits(sector, sectors, disk)) return new(BlockOperation.Rejected);
            _ranges[i] = new((long)sector * SectorSize, (long)sectors * SectorSize, flags != 0);
        }

        return new(operation, Ranges: (int)count);
    }

    private static bool Fits(ulong sector, uint sectors, BlockLimits disk) => sector <= disk.Sectors && sectors <= disk.Sectors - sector;
}

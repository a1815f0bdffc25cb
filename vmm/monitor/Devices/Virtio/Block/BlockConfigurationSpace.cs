using System.Buffers.Binary;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Block;

/// <summary>struct virtio_blk_config (virtio 1.2, 5.2.4), read-only for the driver.</summary>
internal static class BlockConfigurationSpace
{
    private const int Length = 60;

    /// <summary>Header and status are descriptors too, and a chain has at most as many as the queue.</summary>
    private const uint MostSegments = BlockDevice.QueueSize - 2;

    /// <summary>4 KiB, as most file systems allocate.</summary>
    private const uint DiscardAlignmentSectors = 8;

    public static void Read(ulong sectors, uint offset, Span<byte> into)
    {
        Span<byte> space = stackalloc byte[Length];
        space.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(space, sectors);
        BinaryPrimitives.WriteUInt32LittleEndian(space[12..], MostSegments);
        BinaryPrimitives.WriteUInt32LittleEndian(space[20..], BlockRequestReader.SectorSize);
        BinaryPrimitives.WriteUInt32LittleEndian(space[36..], BlockRequestReader.MostDiscardSectors);
        BinaryPrimitives.WriteUInt32LittleEndian(space[40..], BlockRequestReader.MostRanges);
        BinaryPrimitives.WriteUInt32LittleEndian(space[44..], DiscardAlignmentSectors);
        BinaryPrimitives.WriteUInt32LittleEndian(space[48..], BlockRequestReader.MostZeroSectors);
        BinaryPrimitives.WriteUInt32LittleEndian(space[52..], BlockRequestReader.MostRanges);
        space[56] = 1; // write_zeroes_may_unmap
        if (offset < Length) space[(int)offset..Math.Min(Length, (int)offset + into.Length)].CopyTo(into);
    }
}

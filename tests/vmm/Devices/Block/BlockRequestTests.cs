using System.Text;
using RunnerVm.Vmm.Monitor.Configuration;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Block;

/// <summary>Reads, writes, flushes and the questions beside them, however a driver writes them.</summary>
public sealed class BlockRequestTests : BlockDisks
{
    [Fact]
    public void What_is_written_is_read_and_is_in_the_file()
    {
        var (disk, path) = Disk(sectors: 8);
        var data = Pattern(1536);
        Assert.Equal((Ok, 1u), Request(disk, Out, 3, disk.Place(data)));
        var back = disk.Reserve(1536);
        Assert.Equal((Ok, 1537u), Request(disk, In, 3, back));
        Assert.Equal(data, disk.Bytes(back));
        Assert.Equal(data, File.ReadAllBytes(path)[1536..3072]);
        Assert.Equal(1u, disk.TakeInterrupt());
    }

    [Fact]
    public void A_request_is_understood_however_it_is_scattered()
    {
        var (disk, _) = Disk(sectors: 8);
        var data = Pattern(1024);
        // Header in three pieces, the last of which begins the data; then data, an empty piece, data.
        var header = Header(Out, 2);
        var first = disk.Place([.. header[10..], .. data[..100]]);
        var status = Status(disk);
        disk.Queues[0].AddIndirect(
            disk.Place(header.AsSpan(..1)), disk.Place(header.AsSpan(1..10)), first,
            disk.Place(data.AsSpan(100..700)), disk.Place(), disk.Place(data.AsSpan(700..)), status);
        Assert.Equal(1u, disk.Queues[0].Finish());
        Assert.Equal(Ok, disk.Bytes(status)[0]);

        // Status in the same piece as the end of the data.
        var (start, end) = (disk.Reserve(100), disk.Reserve(925));
        Assert.Equal(1025u, disk.Queues[0].Request(disk.Place(Header(In, 2)), start, end));
        Assert.Equal([.. data, Ok], disk.Bytes(start).Concat(disk.Bytes(end)));
    }

    [Theory]
    [InlineData(In, 8ul, 512)]
    [InlineData(In, 7ul, 1024)]
    [InlineData(In, ulong.MaxValue, 512)]
    [InlineData(In, 1ul << 55, 512)] // times 512 it is 0
    [InlineData(In, 0ul, 511)]
    [InlineData(Out, 8ul, 512)]
    [InlineData(Out, 0ul, 513)]
    [InlineData(Out, ulong.MaxValue - 1, 1024)]
    public void What_leaves_the_disk_or_is_no_whole_sector_completes_with_ioerr(uint type, ulong sector, int length)
    {
        var (disk, path) = Disk(sectors: 8);
        var buffer = type == In ? disk.Reserve((uint)length) : disk.Place(Pattern(length));
        Assert.Equal((IoError, 1u), Request(disk, type, sector, buffer));
        Assert.All(File.ReadAllBytes(path), static b => Assert.Equal(0, b));
        Assert.Equal(1, Device(disk).Counters.InvalidRequests);
    }

    [Fact]
    public void Nothing_at_the_end_of_the_disk_is_a_request_too()
    {
        var (disk, _) = Disk(sectors: 8);
        Assert.Equal((Ok, 1u), Request(disk, In, 8));
        Assert.Equal((IoError, 1u), Request(disk, In, 9));
    }

    [Fact]
    public void Writes_to_a_read_only_disk_complete_with_ioerr_and_are_not_offered()
    {
        var (disk, path) = Disk(sectors: 8, readOnly: true);
        Assert.Equal(RingFeatures | (1ul << 2) | (1ul << 5) | (1ul << 6), disk.OfferedFeatures);
        Assert.Equal((IoError, 1u), Request(disk, Out, 0, disk.Place(Pattern(512))));
        Assert.Equal((Unsupported, 1u), Request(disk, Discard, 0, disk.Place(Range(0, 8))));
        Assert.Equal((Ok, 513u), Request(disk, In, 0, disk.Reserve(512)));
        Assert.All(File.ReadAllBytes(path), static b => Assert.Equal(0, b));
    }

    [Fact]
    public void A_chain_without_room_for_a_status_comes_back_untouched()
    {
        var (disk, _) = Disk(sectors: 8);
        Assert.Equal(0u, disk.Queues[0].Request(disk.Place(Header(Out, 0)), disk.Place(Pattern(512))));
        Assert.Equal(0u, disk.Queues[0].Request(disk.Place(Header(Flush, 0)), disk.Reserve(0)));
        Assert.Equal(0u, disk.Queues[0].Request(disk.Place()));
        Assert.Equal(3, Device(disk).Counters.InvalidRequests);
        Assert.Empty(disk.Problems);
    }

    [Fact]
    public void A_header_that_is_cut_short_completes_with_ioerr()
    {
        var (disk, _) = Disk(sectors: 8);
        var status = Status(disk);
        Assert.Equal(1u, disk.Queues[0].Request(disk.Place(Header(In, 0).AsSpan(..15)), status));
        Assert.Equal(IoError, disk.Bytes(status)[0]);
        status = Status(disk);
        Assert.Equal(1u, disk.Queues[0].Request(status));
        Assert.Equal(IoError, disk.Bytes(status)[0]);
    }

    [Fact]
    public void The_id_names_device_and_inode()
    {
        var (disk, path) = Disk(sectors: 8);
        var id = disk.Reserve(20);
        Assert.Equal((Ok, 21u), Request(disk, GetId, 0, id));
        var text = Encoding.ASCII.GetString(disk.Bytes(id)).TrimEnd('\0');
        Assert.NotEmpty(text);
        Assert.All(text, static c => Assert.True(char.IsAsciiDigit(c)));
        Assert.Equal((IoError, 1u), Request(disk, GetId, 0, disk.Reserve(19)));

        var (other, _) = Disk(sectors: 8, name: "other");
        var otherId = other.Reserve(20);
        Request(other, GetId, 0, otherId);
        Assert.NotEqual(disk.Bytes(id), other.Bytes(otherId));
        Assert.True(File.Exists(path));
    }

    [Fact]
    public void What_nobody_knows_is_unsupported()
    {
        var (disk, _) = Disk(sectors: 8);
        foreach (var type in new uint[] { 2, 3, 5, 14, 0x80000000, uint.MaxValue })
            Assert.Equal((Unsupported, 1u), Request(disk, type, 0, disk.Reserve(512)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_flush_is_offered_where_it_reaches_the_disk(bool writeback)
    {
        var (disk, _) = Disk(sectors: 8, cache: writeback ? CacheType.Writeback : CacheType.Unsafe);
        Assert.Equal(writeback, (disk.OfferedFeatures & (1ul << 9)) != 0);
        Assert.Equal((Ok, 1u), Request(disk, Flush, 0));
        Assert.Equal(1, Device(disk).Counters.Flushes);
    }
}

using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Block;

/// <summary>Holes and zeroes.</summary>
public sealed class BlockRangeTests : BlockDisks
{
    [Fact]
    public void A_discarded_range_reads_as_zeroes_and_its_blocks_are_free()
    {
        var (disk, path) = Disk(sectors: 4096);
        File.WriteAllBytes(path, Pattern(4096 * 512));
        var before = AllocatedBytes(path);
        Assert.Equal((Ok, 1u), Request(disk, Discard, 0, disk.Place([.. Range(8, 2048), .. Range(3072, 8)])));
        var content = File.ReadAllBytes(path);
        Assert.All(content[(8 * 512)..(2056 * 512)], static b => Assert.Equal(0, b));
        Assert.Equal(Pattern(4096 * 512)[(2056 * 512)..(3072 * 512)], content[(2056 * 512)..(3072 * 512)]);
        Assert.True(AllocatedBytes(path) <= before - (1 << 20), $"{before} before, {AllocatedBytes(path)} after");
        Assert.Equal(4096 * 512, content.Length);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(1u)]
    public void Zeroes_are_written_with_and_without_leave_to_unmap(uint flags)
    {
        var (disk, path) = Disk(sectors: 64);
        File.WriteAllBytes(path, Pattern(64 * 512));
        Assert.Equal((Ok, 1u), Request(disk, WriteZeroes, 0, disk.Place(Range(3, 40, flags))));
        var content = File.ReadAllBytes(path);
        Assert.All(content[(3 * 512)..(43 * 512)], static b => Assert.Equal(0, b));
        Assert.Equal(Pattern(64 * 512)[(43 * 512)..], content[(43 * 512)..]);
        Assert.Equal(Pattern(64 * 512)[..(3 * 512)], content[..(3 * 512)]);
    }

    [Fact]
    public void Ranges_are_checked_before_the_first_is_carried_out()
    {
        var (disk, path) = Disk(sectors: 64);
        File.WriteAllBytes(path, Pattern(64 * 512));
        foreach (var type in new[] { Discard, WriteZeroes })
        {
            Assert.Equal((IoError, 1u), Request(disk, type, 0, disk.Place([.. Range(0, 8), .. Range(60, 5)])));
            Assert.Equal((IoError, 1u), Request(disk, type, 0, disk.Place([.. Range(0, 8), .. Range(ulong.MaxValue, 2)])));
            Assert.Equal((IoError, 1u), Request(disk, type, 0, disk.Place([.. Range(0, 8), 1])));
            Assert.Equal((IoError, 1u), Request(disk, type, 0));
            Assert.Equal((IoError, 1u), Request(disk, type, 0, disk.Place([.. Enumerable.Repeat(Range(0, 8), 33).SelectMany(static r => r)])));
            Assert.Equal((Unsupported, 1u), Request(disk, type, 0, disk.Place([.. Range(0, 8), .. Range(0, 8, 2)])));
        }

        Assert.Equal((Unsupported, 1u), Request(disk, Discard, 0, disk.Place(Range(0, 8, 1)))); // unmap is not a discard's
        Assert.Equal(Pattern(64 * 512), File.ReadAllBytes(path));
    }
}

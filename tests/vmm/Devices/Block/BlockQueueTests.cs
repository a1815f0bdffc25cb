using RunnerVm.Vmm.Monitor.Configuration;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Block;

/// <summary>Long chains, many requests, and what serving them costs.</summary>
public sealed class BlockQueueTests : BlockDisks
{
    [Fact]
    public void A_chain_of_all_the_descriptors_of_the_ring_is_one_request()
    {
        var (disk, path) = Disk(sectors: 254);
        var data = Pattern(254 * 512);
        var buffers = Enumerable.Range(0, 254).Select(i => disk.Place(data.AsSpan(i * 512, 512))).ToArray();
        Assert.Equal((Ok, 1u), Request(disk, Out, 0, buffers));
        Assert.Equal(data, File.ReadAllBytes(path));
    }

    [Fact]
    public void More_requests_than_the_ring_holds_come_back_in_order()
    {
        var (disk, path) = Disk(sectors: 256);
        var status = Status(disk);
        var pages = Enumerable.Range(0, 256).Select(i => (disk.Place(Header(Out, (ulong)i)), disk.Place([.. Enumerable.Repeat((byte)i, 512)]))).ToArray();
        var next = 0;
        for (var done = 0; done < 256;)
        {
            for (; next < 256 && next - done < 85; next++) disk.Queues[0].Add(pages[next].Item1, pages[next].Item2, status);
            disk.Queues[0].Kick();
            disk.Pump();
            while (disk.Queues[0].TryCollect(out _, out var written))
            {
                Assert.Equal(1u, written);
                done++;
            }
        }

        var content = File.ReadAllBytes(path);
        Assert.All(Enumerable.Range(0, content.Length), i => Assert.Equal((byte)(i / 512), content[i]));
        Assert.Equal(256, Device(disk).Counters.Writes);
        Assert.Equal(256 * 512, Device(disk).Counters.WriteBytes);
    }

    [Fact]
    public void Serving_requests_allocates_nothing()
    {
        var (disk, _) = Disk(sectors: 64, cache: CacheType.Writeback);
        var queue = disk.Queues[0];
        var (read, write, id) = (disk.Place(Header(In, 0)), disk.Place(Header(Out, 8)), disk.Place(Header(GetId, 0)));
        var (page, status) = (disk.Reserve(4096), Status(disk));
        var data = disk.Place(Pattern(4096));
        Serve(); // the first calls are compiled
        var device = Device(disk);
        for (var round = 0; ; round++)
        {
            queue.Add(read, page, status);
            queue.Add(write, data, status);
            queue.Add(id, page, status);
            var before = GC.GetAllocatedBytesForCurrentThread();
            device.OnQueueNotified(0);
            if (round == 0) continue; // A first write has things of its own to set up.
            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
            break;
        }

        Assert.Equal(7u, (uint)queue.UsedIndex);

        void Serve()
        {
            queue.Add(read, page, status);
            queue.Kick();
            disk.Pump();
            queue.TryCollect(out _, out _);
        }
    }
}

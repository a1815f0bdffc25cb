using System.Text;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Block;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Block;

public sealed class BlockDeviceTests : IDisposable
{
    private const byte Ok = 0, IoError = 1, Unsupported = 2, Untouched = 0xee;
    private const uint In = 0, Out = 1, Flush = 4, GetId = 8, Discard = 11, WriteZeroes = 13;
    private const ulong RingFeatures = (1ul << 32) | (1ul << 29) | (1ul << 28);

    private readonly string _directory = Directory.CreateTempSubdirectory("vmm-block-").FullName;
    private readonly List<IDisposable> _opened = [];

    public void Dispose()
    {
        foreach (var opened in _opened) opened.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

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

    [Fact]
    public void The_configuration_space_shows_the_limits_and_a_rest_of_a_sector_is_not_shown()
    {
        var (disk, path) = Disk(sectors: 8);
        File.WriteAllBytes(path, new byte[(9 * 512) + 511]);
        Device(disk).Update(null, null);
        Assert.Equal(9ul, disk.ReadConfig64(0));
        Assert.Equal(254u, disk.ReadConfig32(12));
        Assert.Equal(512u, disk.ReadConfig32(20));
        Assert.Equal(32u, disk.ReadConfig32(40));
        Assert.Equal([1], disk.ReadConfig(56, 1));
        Assert.Equal([0, 0], disk.ReadConfig(60, 2));
        disk.WriteConfig(0, 1);
        Assert.Equal(9ul, disk.ReadConfig64(0));
    }

    [Fact]
    public void Another_file_while_running_changes_content_capacity_and_tells_the_driver()
    {
        var (disk, _) = Disk(sectors: 8);
        Request(disk, In, 0, disk.Reserve(512));
        disk.TakeInterrupt();
        var other = Path.Combine(_directory, "replacement");
        File.WriteAllBytes(other, Pattern(16 * 512));
        disk.Transport.WithDevice(() => Device(disk).Update(other, null));
        Assert.Equal(2u, disk.TakeInterrupt());
        Assert.Equal(16ul, disk.ReadConfig64(0));
        var buffer = disk.Reserve(512);
        Assert.Equal((Ok, 513u), Request(disk, In, 15, buffer));
        Assert.Equal(Pattern(16 * 512)[(15 * 512)..], disk.Bytes(buffer));

        var refused = Assert.Throws<VmmFaultException>(() => disk.Transport.WithDevice(() => Device(disk).Update(_directory, null)));
        Assert.Contains("directory", refused.Message, StringComparison.Ordinal);
        Assert.Equal((Ok, 513u), Request(disk, In, 15, buffer));
    }

    [Fact]
    public void A_file_that_became_shorter_completes_with_ioerr()
    {
        var (disk, path) = Disk(sectors: 8);
        using (var file = File.OpenWrite(path)) file.SetLength(3 * 512);
        Assert.Equal((IoError, 513u), Request(disk, In, 2, disk.Reserve(1024)));
        Assert.Equal(1, Device(disk).Counters.Failures);
    }

    [Fact]
    public void What_the_host_refuses_to_write_completes_with_ioerr()
    {
        var (disk, path) = Disk(sectors: 8);
        Assert.SkipWhen(Seal(path) != 0, "chattr +i is not possible here.");
        try
        {
            // A file that may not be written, though it was opened for it: fallocate says EPERM.
            Assert.Equal((IoError, 1u), Request(disk, Discard, 0, disk.Place(Range(0, 8))));
            Assert.Equal(1, Device(disk).Counters.Failures);
        }
        finally
        {
            Seal(path, "-i");
        }

        static int Seal(string path, string flag = "+i")
        {
            using var chattr = System.Diagnostics.Process.Start(
                new System.Diagnostics.ProcessStartInfo("chattr", [flag, path]) { RedirectStandardError = true })!;
            chattr.WaitForExit();
            return chattr.ExitCode;
        }
    }

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
    public void A_request_above_the_limit_waits_in_the_ring_and_is_served_when_its_time_comes()
    {
        var (disk, path) = Disk(sectors: 64, limiter: new() { Ops = new() { Size = 2, RefillTime = 100 } });
        var statuses = Enumerable.Range(0, 3).Select(_ => Status(disk)).ToArray();
        foreach (var status in statuses) disk.Queues[0].Add(disk.Place(Header(Out, 0)), disk.Place(Pattern(512)), status);
        disk.Queues[0].Kick();
        disk.Pump();
        Assert.Equal([Ok, Ok, Untouched], statuses.Select(status => disk.Bytes(status)[0]));
        Assert.Equal(1, Device(disk).Counters.Throttled);
        disk.PumpUntil(() => disk.Bytes(statuses[2])[0] == Ok, "the third request");
        Assert.Equal(3, disk.Queues[0].UsedIndex);
        Assert.Equal(Pattern(512), File.ReadAllBytes(path)[..512]);
    }

    [Fact]
    public void A_limit_taken_away_frees_what_waits()
    {
        var (disk, _) = Disk(sectors: 64, limiter: new() { Bandwidth = new() { Size = 512, RefillTime = 3_600_000 } });
        Assert.Equal((Ok, 513u), Request(disk, In, 0, disk.Reserve(512)));
        var status = Status(disk);
        disk.Queues[0].Add(disk.Place(Header(In, 0)), disk.Reserve(512), status);
        disk.Queues[0].Kick();
        disk.Pump();
        Assert.Equal(Untouched, disk.Bytes(status)[0]);
        disk.Transport.WithDevice(() => Device(disk).Update(null, new() { Bandwidth = new() { Size = 0, RefillTime = 0 } }));
        disk.PumpUntil(() => disk.Bytes(status)[0] == Ok, "the request that waits");
    }

    [Fact]
    public void A_reset_forgets_a_request_that_waits_and_keeps_what_was_used_of_the_limit()
    {
        var (disk, _) = Disk(sectors: 64, limiter: new() { Ops = new() { Size = 1, RefillTime = 3_600_000 } });
        Assert.Equal((Ok, 513u), Request(disk, In, 0, disk.Reserve(512)));
        disk.SetUp();
        var status = Status(disk);
        disk.Queues[0].Add(disk.Place(Header(In, 0)), disk.Reserve(512), status);
        disk.Queues[0].Kick();
        disk.Pump();
        Assert.Equal(Untouched, disk.Bytes(status)[0]);
        disk.Status = 0;
        disk.Transport.WithDevice(() => Device(disk).Update(null, new() { Ops = new() { Size = 0, RefillTime = 0 } }));
        disk.Pump();
        Assert.Equal(Untouched, disk.Bytes(status)[0]);
    }

    [Theory]
    [InlineData("missing", "no such file or directory (ENOENT)")]
    [InlineData(".", "directory")]
    [InlineData("/dev/null", "block device")]
    public void A_path_that_is_no_disk_is_refused_with_what_to_do(string path, string reason)
    {
        foreach (var readOnly in new[] { true, false })
        {
            var fault = Assert.Throws<VmmFaultException>(() => new BlockDevice(
                new() { DriveId = "d", IsRootDevice = false, IsReadOnly = readOnly, PathOnHost = Path.Combine(_directory, path) }));
            Assert.StartsWith("Drive d, path_on_host: Cannot ", fault.Message, StringComparison.Ordinal);
            Assert.Contains(reason, fault.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_named_pipe_does_not_hang_the_monitor()
    {
        var pipe = Path.Combine(_directory, "pipe");
        using var mkfifo = System.Diagnostics.Process.Start("mkfifo", pipe);
        mkfifo.WaitForExit();
        var fault = Assert.Throws<VmmFaultException>(() => new BlockDevice(new() { DriveId = "d", IsRootDevice = false, IsReadOnly = true, PathOnHost = pipe }));
        Assert.Contains("regular file", fault.Message, StringComparison.Ordinal);
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

    private static byte[] Header(uint type, ulong sector) => [.. BitConverter.GetBytes(type), 0, 0, 0, 0, .. BitConverter.GetBytes(sector)];

    private static byte[] Range(ulong sector, uint sectors, uint flags = 0) =>
        [.. BitConverter.GetBytes(sector), .. BitConverter.GetBytes(sectors), .. BitConverter.GetBytes(flags)];

    private static byte[] Pattern(int length) => [.. Enumerable.Range(0, length).Select(static i => (byte)((i * 31) + (i >> 9) + 1))];

    private static GuestBuffer Status(VirtioDriver disk)
    {
        var status = disk.Reserve(1);
        disk.Memory.Write(status.Address, Untouched);
        return status;
    }

    private static (byte Status, uint Written) Request(VirtioDriver disk, uint type, ulong sector, params GuestBuffer[] data)
    {
        var status = Status(disk);
        var written = disk.Queues[0].Request([disk.Place(Header(type, sector)), .. data, status]);
        return (disk.Bytes(status)[0], written);
    }

    private static BlockDevice Device(VirtioDriver disk) => (BlockDevice)disk.Transport.Device;

    private static long AllocatedBytes(string path)
    {
        using var stat = System.Diagnostics.Process.Start(
            new System.Diagnostics.ProcessStartInfo("stat", ["-c", "%b", path]) { RedirectStandardOutput = true })!;
        return long.Parse(stat.StandardOutput.ReadToEnd()) * 512;
    }

    private (VirtioDriver Disk, string Path) Disk(
        int sectors, bool readOnly = false, CacheType cache = CacheType.Unsafe, RateLimiterConfiguration? limiter = null, string name = "disk")
    {
        var path = Path.Combine(_directory, name);
        File.WriteAllBytes(path, new byte[sectors * 512]);
        return (Attach(new()
        {
            DriveId = name, IsRootDevice = false, PathOnHost = path, IsReadOnly = readOnly, CacheType = cache, RateLimiter = limiter,
        }), path);
    }

    private VirtioDriver Attach(Drive drive)
    {
        var driver = new VirtioDriver(new BlockDevice(drive));
        _opened.Add(driver);
        return driver.SetUp();
    }
}

using FsCheck;
using FsCheck.Fluent;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Block;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Block;

/// <summary>A disk against an array of bytes.</summary>
public sealed class BlockModelTests
{
    private const int Sectors = 64;

    [Fact]
    public void A_disk_is_an_array_of_bytes_however_requests_are_scattered()
    {
        int inputs = 0, requests = 0, refused = 0;
        var path = Path.GetTempFileName();
        try
        {
            Prop.ForAll(Arb.From(Gen.Choose(int.MinValue, int.MaxValue)), seed =>
            {
                inputs++;
                var random = new Random(seed);
                File.WriteAllBytes(path, new byte[Sectors * 512]);
                using var driver = new VirtioDriver(new BlockDevice(
                    new() { DriveId = "d", IsRootDevice = false, PathOnHost = path, CacheType = (CacheType)random.Next(2) }));
                driver.SetUp();
                var model = new byte[Sectors * 512];
                for (var i = 0; i < 20; i++, requests++)
                    if (!Step(random, driver, model, ref refused)) return false;
                return File.ReadAllBytes(path).AsSpan().SequenceEqual(model);
            }).Check(Config.QuickThrowOnFailure.WithMaxTest(300));
        }
        finally
        {
            File.Delete(path);
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{inputs} disks, {requests} requests, {refused} of them refused");
        Assert.True(inputs == 300 && refused > 100);
    }

    private static bool Step(Random random, VirtioDriver driver, byte[] model, ref int refused)
    {
        var (sector, sectors) = (random.Next(Sectors + 2), random.Next(12));
        var fits = sector + sectors <= Sectors;
        var range = model.AsSpan(Math.Min(sector, Sectors) * 512, fits ? sectors * 512 : 0);
        if (!fits) refused++;
        uint type = new uint[] { 0, 1, 1, 11, 13 }[random.Next(5)];
        var header = new byte[16];
        BitConverter.TryWriteBytes(header, type);
        BitConverter.TryWriteBytes(header.AsSpan(8), (ulong)sector);
        byte status;
        switch (type)
        {
            case 0:
                var into = driver.Reserve((uint)(sectors * 512) + 1);
                Send([driver.Place(header)], [into]);
                var bytes = driver.Bytes(into);
                status = bytes[^1];
                if (fits && !range.SequenceEqual(bytes.AsSpan(0, bytes.Length - 1))) return false;
                break;
            case 1:
                var data = new byte[sectors * 512];
                random.NextBytes(data);
                status = Write(driver.Place([.. header, .. data]));
                if (fits) data.CopyTo(range);
                break;
            default:
                BitConverter.TryWriteBytes(header.AsSpan(8), 0ul);
                var what = new byte[16];
                BitConverter.TryWriteBytes(what, (ulong)sector);
                BitConverter.TryWriteBytes(what.AsSpan(8), sectors);
                if (type == 13) BitConverter.TryWriteBytes(what.AsSpan(12), random.Next(2));
                status = Write(driver.Place([.. header, .. what]));
                range.Clear(); // A discard too, on a file system with holes.
                break;
        }

        return status == (fits ? 0 : 1);

        byte Write(GuestBuffer request)
        {
            var answer = driver.Reserve(1);
            Send([request], [answer]);
            return driver.Bytes(answer)[0];
        }

        void Send(GuestBuffer[] readable, GuestBuffer[] writable)
        {
            GuestBuffer[] all = [.. readable.SelectMany(Cut), .. writable.SelectMany(Cut)];
            if (random.Next(2) == 0) driver.Queues[0].Add(all);
            else driver.Queues[0].AddIndirect(all);
            driver.Queues[0].Finish();
        }

        IEnumerable<GuestBuffer> Cut(GuestBuffer whole)
        {
            for (uint at = 0; at < whole.Length;)
            {
                var length = Math.Min(whole.Length - at, (uint)random.Next(random.Next(3) == 0 ? 20 : 3000));
                yield return whole.Slice(at, length);
                at += length;
            }
        }
    }
}

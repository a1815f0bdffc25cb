using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Block;

namespace RunnerVm.Tests.Vmm.Devices.Block;

/// <summary>Disks in a folder of their own, and what a driver asks of them.</summary>
public abstract class BlockDisks : IDisposable
{
    private protected const byte Ok = 0, IoError = 1, Unsupported = 2, Untouched = 0xee;
    private protected const uint In = 0, Out = 1, Flush = 4, GetId = 8, Discard = 11, WriteZeroes = 13;
    private protected const ulong RingFeatures = (1ul << 32) | (1ul << 29) | (1ul << 28);

    private protected string Folder { get; } = Directory.CreateTempSubdirectory("vmm-block-").FullName;
    private readonly List<IDisposable> _opened = [];

    public void Dispose()
    {
        GC.SuppressFinalize(this);
        foreach (var opened in _opened) opened.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    private protected static byte[] Header(uint type, ulong sector) => [.. BitConverter.GetBytes(type), 0, 0, 0, 0, .. BitConverter.GetBytes(sector)];

    private protected static byte[] Range(ulong sector, uint sectors, uint flags = 0) =>
        [.. BitConverter.GetBytes(sector), .. BitConverter.GetBytes(sectors), .. BitConverter.GetBytes(flags)];

    private protected static byte[] Pattern(int length) => [.. Enumerable.Range(0, length).Select(static i => (byte)((i * 31) + (i >> 9) + 1))];

    private protected static GuestBuffer Status(VirtioDriver disk)
    {
        var status = disk.Reserve(1);
        disk.Memory.Write(status.Address, Untouched);
        return status;
    }

    private protected static (byte Status, uint Written) Request(VirtioDriver disk, uint type, ulong sector, params GuestBuffer[] data)
    {
        var status = Status(disk);
        var written = disk.Queues[0].Request([disk.Place(Header(type, sector)), .. data, status]);
        return (disk.Bytes(status)[0], written);
    }

    private protected static BlockDevice Device(VirtioDriver disk) => (BlockDevice)disk.Transport.Device;

    private protected static long AllocatedBytes(string path)
    {
        using var stat = System.Diagnostics.Process.Start(
            new System.Diagnostics.ProcessStartInfo("stat", ["-c", "%b", path]) { RedirectStandardOutput = true })!;
        return long.Parse(stat.StandardOutput.ReadToEnd()) * 512;
    }

    private protected (VirtioDriver Disk, string Path) Disk(
        int sectors, bool readOnly = false, CacheType cache = CacheType.Unsafe, RateLimiterConfiguration? limiter = null, string name = "disk")
    {
        var path = Path.Combine(Folder, name);
        File.WriteAllBytes(path, new byte[sectors * 512]);
        return (Attach(new()
        {
            DriveId = name, IsRootDevice = false, PathOnHost = path, IsReadOnly = readOnly, CacheType = cache, RateLimiter = limiter,
        }), path);
    }

    private protected VirtioDriver Attach(Drive drive)
    {
        var driver = new VirtioDriver(new BlockDevice(drive));
        _opened.Add(driver);
        return driver.SetUp();
    }
}

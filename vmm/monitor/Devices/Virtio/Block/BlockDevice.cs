using System.Text;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.RateLimiting;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Block;

/// <summary>
/// A disk (virtio 1.2, 5.2) on a file or block device of the host. One queue, served in order on the event loop, as
/// Firecracker's synchronous engine does.
/// </summary>
internal sealed partial class BlockDevice : IVirtioDevice
{
    public const ushort QueueSize = 256;

    private const int SegmentsFeature = 2;
    private const int ReadOnlyFeature = 5;
    private const int BlockSizeFeature = 6;
    private const int FlushFeature = 9;
    private const int DiscardFeature = 13;
    private const int WriteZeroesFeature = 14;

    private readonly Drive _drive;
    private readonly RateLimiter _limiter;
    private readonly DescriptorChain _chain = new();
    private readonly BlockRequestReader _reader = new();
    private readonly byte[] _id = new byte[20];
    private BlockDisk _disk;
    private string _path;
    private DeviceActivation? _activation;
    private Watch? _timerWatch;

    /// <param name="clock">Of the rate limiter; null: the system's.</param>
    /// <exception cref="VmmFaultException">There is no such disk.</exception>
    public BlockDevice(Drive drive, TimeProvider? clock = null)
    {
        _drive = drive;
        _path = drive.PathOnHost ?? throw new VmmFaultException(
            $"Drive {drive.DriveId}: path_on_host is missing. Name a file or block device; vhost-user sockets are not supported.");
        _disk = Open(_path);
        _limiter = new(drive.RateLimiter, clock);
        WriteId();
    }

    public string Name => $"block {_drive.DriveId}";

    public uint Type => 2;

    /// <summary>Without FLUSH (cache type Unsafe) the driver takes each write for done, and never asks.</summary>
    public ulong Features =>
        (1ul << SegmentsFeature) | (1ul << BlockSizeFeature)
        | (_drive.IsReadOnly ? 1ul << ReadOnlyFeature : (1ul << DiscardFeature) | (1ul << WriteZeroesFeature))
        | (_drive.CacheType == CacheType.Writeback ? 1ul << FlushFeature : 0);

    public IReadOnlyList<ushort> QueueSizes { get; } = [QueueSize];

    public BlockCounters Counters { get; } = new();

    public void ReadConfig(uint offset, Span<byte> into) => BlockConfigurationSpace.Read(_disk.Sectors, offset, into);

    /// <summary>Nothing in it can be written: the cache mode is the configuration's.</summary>
    public void WriteConfig(uint offset, ReadOnlySpan<byte> from)
    {
    }

    public void Activate(DeviceActivation activation)
    {
        _activation = activation;
        _timerWatch = activation.Host.Watch(_limiter.Timer, EpollEvents.Readable, _ =>
        {
            _limiter.OnTimer();
            Serve();
        });
    }

    public void OnQueueNotified(int queue)
    {
        Counters.QueueEvents++;
        Serve();
    }

    public void Reset()
    {
        _timerWatch?.Dispose();
        _limiter.Forget();
        (_timerWatch, _activation) = (null, null);
    }

    /// <summary>While running: another file, or the same with another size, and other limits. Under the device's lock.</summary>
    /// <param name="pathOnHost">Null: the same file, whose size is looked at again.</param>
    /// <param name="limiter">Null: the limits stay.</param>
    /// <exception cref="VmmFaultException">There is no such disk; nothing was changed.</exception>
    public void Update(string? pathOnHost, RateLimiterConfiguration? limiter)
    {
        if (pathOnHost is null) Look();
        else Replace(pathOnHost);
        _limiter.Update(limiter);
        Counters.Updates++;
        // 5.2.5.2: the driver reads the capacity again.
        _activation?.Host.ConfigurationChanged();
    }

    public void Dispose()
    {
        Reset();
        if (_drive is { CacheType: CacheType.Writeback, IsReadOnly: false }) _disk.Flush();
        _disk.Dispose();
        _limiter.Dispose();
    }

    private void Replace(string path)
    {
        var disk = Open(path);
        if (_drive is { CacheType: CacheType.Writeback, IsReadOnly: false }) _disk.Flush();
        _disk.Dispose();
        (_disk, _path) = (disk, path);
        WriteId();
    }

    private void Look()
    {
        try
        {
            _disk.Look(_path);
        }
        catch (LinuxException e)
        {
            throw Refused(e);
        }
    }

    private BlockDisk Open(string path)
    {
        try
        {
            return new(DiskFile.Open(path, _drive.IsReadOnly));
        }
        catch (LinuxException e)
        {
            throw Refused(e);
        }
    }

    private VmmFaultException Refused(LinuxException e) => new($"Drive {_drive.DriveId}, path_on_host: {e.Message}", e);

    private void WriteId()
    {
        Array.Clear(_id);
        Encoding.ASCII.GetBytes(_disk.Identity.AsSpan(0, Math.Min(_disk.Identity.Length, _id.Length)), _id);
    }
}

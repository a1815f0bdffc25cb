using System.Buffers.Binary;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Balloon;

/// <summary>
/// The driver's figures (virtio 1.2, 5.5.6.4): it leaves one buffer with us; giving that back asks for new ones.
/// </summary>
internal sealed partial class BalloonDevice
{
    private const int EntryBytes = 10; // le16 tag, le64 value
    private const int KnownTags = 16;

    /// <summary>Later drivers may know more than we do, but not without end.</summary>
    private const uint MostEntries = 256;

    private readonly ulong?[] _statistics = new ulong?[KnownTags];
    private int _interval;
    private ushort? _heldBuffer;

    /// <exception cref="VmmFaultException">They were not switched on.</exception>
    public BalloonStatistics ReadStatistics()
    {
        if (_interval == 0)
            throw new VmmFaultException("The balloon has no statistics. Give it a stats_polling_interval_s above 0 before the start.");
        return new()
        {
            TargetPages = _targetPages, ActualPages = _actualPages,
            TargetMib = _targetPages / PagesPerMib, ActualMib = _actualPages / PagesPerMib,
            SwapIn = _statistics[0], SwapOut = _statistics[1],
            MajorFaults = _statistics[2], MinorFaults = _statistics[3],
            FreeMemory = _statistics[4], TotalMemory = _statistics[5],
            AvailableMemory = _statistics[6], DiskCaches = _statistics[7],
            HugetlbAllocations = _statistics[8], HugetlbFailures = _statistics[9],
            OomKill = _statistics[10], AllocStall = _statistics[11],
            AsyncScan = _statistics[12], DirectScan = _statistics[13],
            AsyncReclaim = _statistics[14], DirectReclaim = _statistics[15],
        };
    }

    /// <summary>How often the driver is asked. Under the device's lock.</summary>
    /// <exception cref="VmmFaultException">Between on and off there is no way while it runs: the queue is there or not.</exception>
    public void UpdateStatisticsInterval(int seconds)
    {
        if (seconds == _interval) return;
        if (seconds <= 0 || _interval == 0)
        {
            throw new VmmFaultException(
                "The balloon's statistics cannot be switched on or off while the machine runs; stats_polling_interval_s can only change above 0.");
        }

        _interval = seconds;
        if (_timerWatch is null) return;
        AskForStatistics();
        ArmTimer();
    }

    private void ArmTimer() => _timer.Arm(TimeSpan.FromSeconds(_interval), TimeSpan.FromSeconds(_interval));

    private void OnTimer()
    {
        if (_timer.Drain() > 0) AskForStatistics();
    }

    private void AskForStatistics()
    {
        if (_heldBuffer is not { } head || _activation is not { } activation) return;
        _heldBuffer = null;
        var ring = activation.Queues[_statisticsQueue];
        ring.Push(head, 0);
        ring.NotifyDriver();
    }

    private void TakeStatistics(Virtqueue ring)
    {
        // More than one buffer is against the protocol; the older one goes back, or the ring would run empty.
        if (_heldBuffer is { } older) ring.Push(older, 0);
        _heldBuffer = _chain.Head;
        var length = _chain.Readable.Length;
        if (length % EntryBytes != 0 || length / EntryBytes > MostEntries)
        {
            Counters.StatisticsFailures++;
            return;
        }

        Counters.StatisticsUpdates++;
        Span<byte> entry = stackalloc byte[EntryBytes];
        for (uint offset = 0; offset < length; offset += EntryBytes)
        {
            _chain.Readable.CopyTo(offset, entry);
            var tag = BinaryPrimitives.ReadUInt16LittleEndian(entry);
            if (tag < KnownTags) _statistics[tag] = BinaryPrimitives.ReadUInt64LittleEndian(entry[2..]);
            else Counters.StatisticsFailures++;
        }
    }

    private void ForgetStatistics()
    {
        _heldBuffer = null;
        Array.Clear(_statistics);
    }
}

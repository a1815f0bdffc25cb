using System.Buffers.Binary;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Balloon;

/// <summary>
/// Takes memory back from a running guest (virtio 1.2, 5.5): its driver allocates as many pages as we ask for and names them
/// to us, and the host uses them for something else until the driver wants them back.
/// </summary>
internal sealed partial class BalloonDevice : IVirtioDevice
{
    private const int StatisticsFeature = 1;
    private const int DeflateOnOomFeature = 2;
    private const int ReportingFeature = 5;
    private const uint PagesPerMib = 256;
    private const int InflateQueue = 0;
    private const int DeflateQueue = 1;

    private readonly Configuration.Balloon _configuration;
    private readonly GuestMemory _memory;
    private readonly DescriptorChain _chain = new();
    private readonly TimerFd _timer = new();
    private DeviceActivation? _activation;
    private Watch? _timerWatch;
    private uint _targetPages;
    private uint _actualPages;
    private int _statisticsQueue = -1;
    private int _reportingQueue = -1;

    /// <exception cref="VmmFaultException">Larger than the guest's memory, or something that we do not do.</exception>
    public BalloonDevice(Configuration.Balloon configuration, GuestMemory memory)
    {
        (_configuration, _memory, _interval) = (configuration, memory, configuration.StatsPollingIntervalS);
        if (configuration.FreePageHinting)
        {
            throw new VmmFaultException(
                "Balloon: free_page_hinting is not supported. Use free_page_reporting, with which the guest gives free pages back by itself.");
        }

        _targetPages = Pages(configuration.AmountMib);
        QueueSizes = [.. Enumerable.Repeat((ushort)256, 2 + (_interval > 0 ? 1 : 0) + (configuration.FreePageReporting ? 1 : 0))];
    }

    public string Name => "balloon";

    public uint Type => 5;

    public ulong Features =>
        (_configuration.StatsPollingIntervalS > 0 ? 1ul << StatisticsFeature : 0)
        | (_configuration.DeflateOnOom ? 1ul << DeflateOnOomFeature : 0)
        | (_configuration.FreePageReporting ? 1ul << ReportingFeature : 0);

    public IReadOnlyList<ushort> QueueSizes { get; }

    public BalloonCounters Counters { get; } = new();

    /// <summary>What the balloon is to hold, in MiB.</summary>
    public int AmountMib => (int)(_targetPages / PagesPerMib);

    /// <summary>struct virtio_balloon_config (5.5.4): what it is to hold and what it holds, in pages of 4 KiB.</summary>
    public void ReadConfig(uint offset, Span<byte> into)
    {
        Span<byte> space = stackalloc byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(space, _targetPages);
        BinaryPrimitives.WriteUInt32LittleEndian(space[4..], _actualPages);
        if (offset < space.Length) space[(int)offset..Math.Min(space.Length, (int)offset + into.Length)].CopyTo(into);
    }

    /// <summary>Only <c>actual</c> is the driver's to write.</summary>
    public void WriteConfig(uint offset, ReadOnlySpan<byte> from)
    {
        if (offset == 4 && from.Length == sizeof(uint)) _actualPages = BinaryPrimitives.ReadUInt32LittleEndian(from);
    }

    public void Activate(DeviceActivation activation)
    {
        _activation = activation;
        // A queue whose feature was not agreed on does not exist, and those after it move up.
        var next = 2;
        _statisticsQueue = activation.Has(StatisticsFeature) ? next++ : -1;
        _reportingQueue = activation.Has(ReportingFeature) ? next : -1;
        if (_statisticsQueue < 0) return;
        _timerWatch = activation.Host.Watch(_timer.Descriptor, EpollEvents.Readable, _ => OnTimer());
        ArmTimer();
    }

    public void OnQueueNotified(int queue)
    {
        if (_activation is not { } activation) return;
        var ring = activation.Queues[queue];
        for (var left = ring.Size; ring.TryPop(_chain); left--)
        {
            if (left == 0)
            {
                ring.UndoPop();
                activation.Host.NotifyAgain(queue);
                break;
            }

            if (queue == _statisticsQueue)
            {
                TakeStatistics(ring);
                continue;
            }

            if (queue == InflateQueue) Inflate();
            else if (queue == DeflateQueue) Counters.DeflateRequests++; // The driver touches its pages again, and they are there.
            else if (queue == _reportingQueue) TakeReported();
            ring.Push(_chain.Head, 0);
        }

        ring.NotifyDriver();
    }

    public void Reset()
    {
        _timerWatch?.Dispose();
        _timer.Disarm();
        (_timerWatch, _activation, _actualPages, _statisticsQueue, _reportingQueue) = (null, null, 0, -1, -1);
        ForgetStatistics();
    }

    /// <summary>Has the driver inflate or deflate to a new size. Under the device's lock.</summary>
    /// <exception cref="VmmFaultException">More than there is, or nobody there to do it.</exception>
    public void Update(int amountMib)
    {
        if (_activation is not { } activation)
            throw new VmmFaultException("The guest has not set up its balloon yet. Try again when it has booted.");
        _targetPages = Pages(amountMib);
        activation.Host.ConfigurationChanged();
    }

    public void Dispose()
    {
        Reset();
        _timer.Dispose();
    }

    private uint Pages(int amountMib) => amountMib >= 0 && (ulong)amountMib <= _memory.Size >> 20
        ? (uint)amountMib * PagesPerMib
        : throw new VmmFaultException($"Balloon, amount_mib: {amountMib} is not within the guest's memory of {_memory.Size >> 20} MiB.");
}

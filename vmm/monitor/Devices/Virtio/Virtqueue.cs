using RunnerVm.Vmm.Monitor.Snapshots;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio;

/// <summary>
/// A split virtqueue, the device's side (virtio 1.2, 2.7): takes requests from the available ring, gives them back through
/// the used ring. The transport sets it up; nothing in it is believed until it was checked.
/// </summary>
/// <remarks>Under the device's lock. Positions count modulo 2^16, as the rings' indices do.</remarks>
internal sealed class Virtqueue(string device, int index, ushort maximumSize)
{
    private const ushort NoInterruptFlag = 1;
    private const uint RingHeader = 4; // flags, idx
    private const uint UsedElement = 8;

    private GuestMemory? _memory;
    private Action? _interrupt;
    private bool _eventIndex;
    private bool _indirect;
    private ushort _nextAvailable;
    private ushort _nextUsed;
    private ushort _signalledUsed;

    /// <summary>Which of the device's queues.</summary>
    public int Index => index;

    public ushort MaximumSize { get; } = maximumSize;

    /// <summary>A power of two of at most <see cref="MaximumSize"/> once ready.</summary>
    public ushort Size { get; set; } = maximumSize;

    public bool Ready { get; set; }

    public GuestAddress DescriptorTable { get; set; }

    /// <summary>The available ring, which the driver writes.</summary>
    public GuestAddress DriverArea { get; set; }

    /// <summary>The used ring, which the device writes.</summary>
    public GuestAddress DeviceArea { get; set; }

    /// <summary>Back to what it is before a driver came.</summary>
    public void Reset()
    {
        (Size, Ready, DescriptorTable, DriverArea, DeviceArea) = (MaximumSize, false, default, default, default);
        (_memory, _interrupt, _nextAvailable, _nextUsed, _signalledUsed) = (null, null, 0, 0, 0);
    }

    /// <summary>The driver takes the queue away while the device runs: it is empty, and what comes back is dropped.</summary>
    public void Stop() => (Ready, _memory, _interrupt) = (false, null, null);

    /// <summary>Checks the three areas whole, so that afterwards only their contents can be wrong.</summary>
    /// <param name="interrupt">Tells the driver that the used ring has news.</param>
    /// <exception cref="BrokenDeviceException">Size or address cannot be.</exception>
    public void Activate(GuestMemory memory, bool eventIndex, bool indirect, Action interrupt)
    {
        if (!Ready) return;
        if (Size == 0 || Size > MaximumSize || (Size & (Size - 1)) != 0)
            throw Broken("size", $"{Size} is not a power of two of at most {MaximumSize}");
        Check(memory, "desc", DescriptorTable, Size * 16u, 16);
        Check(memory, "avail", DriverArea, RingHeader + (Size * 2u) + 2, 2);
        Check(memory, "used", DeviceArea, RingHeader + (Size * UsedElement) + 2, 4);
        memory.StoreRelease(DeviceArea, 0); // used.flags: all notifications are welcome, and with the event index it must be 0.
        (_memory, _eventIndex, _indirect, _interrupt) = (memory, eventIndex, indirect, interrupt);
    }

    /// <summary>The next request, or false when there is none; then the driver will notify again.</summary>
    /// <exception cref="BrokenDeviceException">The ring or the chain contradicts itself.</exception>
    public bool TryPop(DescriptorChain chain)
    {
        if (_memory is not { } memory || !HasPending(memory)) return false;
        var head = memory.Read<ushort>(DriverArea + RingHeader + ((uint)(_nextAvailable & (Size - 1)) * 2));
        if (head >= Size) throw Broken("avail.ring", $"descriptor {head} in a table of {Size}");
        chain.Load(this, memory, head, _indirect);
        _nextAvailable++;
        return true;
    }

    /// <summary>Puts the last popped request back: it is the next one again.</summary>
    public void UndoPop() => _nextAvailable--;

    /// <summary>Gives a request back. The driver sees it at once, but hears of it by <see cref="NotifyDriver"/>.</summary>
    /// <param name="head">Of the chain.</param>
    /// <param name="written">Bytes written from the beginning of its writable part.</param>
    public void Push(ushort head, uint written)
    {
        if (_memory is not { } memory) return;
        var element = DeviceArea + RingHeader + ((uint)(_nextUsed & (Size - 1)) * UsedElement);
        memory.Write(element, (uint)head);
        memory.Write(element + 4, written);
        _nextUsed++;
        memory.StoreRelease(DeviceArea + 2, _nextUsed);
    }

    /// <summary>Interrupts the driver if something was pushed since the last time and it wants to hear (virtio 1.2, 2.7.7).</summary>
    public void NotifyDriver()
    {
        if (_memory is not { } memory || _signalledUsed == _nextUsed) return;
        // The driver writes what it wants to hear and then reads used.idx; we write used.idx and then read what it wants.
        Thread.MemoryBarrier();
        if (_eventIndex)
        {
            var wanted = memory.LoadAcquire(DriverArea + RingHeader + (Size * 2u));
            var news = (ushort)(_nextUsed - wanted - 1) < (ushort)(_nextUsed - _signalledUsed);
            _signalledUsed = _nextUsed;
            if (news) _interrupt!();
            return;
        }

        _signalledUsed = _nextUsed;
        if ((memory.LoadAcquire(DriverArea) & NoInterruptFlag) == 0) _interrupt!();
    }

    /// <summary>Has the driver notify of its next request, and tells how many it has made so far (modulo 2^16).</summary>
    public ushort AwaitNext()
    {
        if (_memory is not { } memory) return 0;
        var made = memory.LoadAcquire(DriverArea + 2);
        if (_eventIndex) memory.StoreRelease(DeviceArea + RingHeader + (Size * UsedElement), made);
        return made;
    }

    /// <summary>How many requests the driver has made so far (modulo 2^16).</summary>
    public ushort Made => _memory?.LoadAcquire(DriverArea + 2) ?? 0;

    public void Save(StateWriter into)
    {
        into.Number(Size);
        into.Flag(Ready);
        into.Number(DescriptorTable.Value);
        into.Number(DriverArea.Value);
        into.Number(DeviceArea.Value);
        into.Number(_nextAvailable);
        into.Number(_nextUsed);
        into.Number(_signalledUsed);
    }

    /// <summary>Before <see cref="Activate"/>, which checks what it names.</summary>
    public void Restore(ref StateReader from)
    {
        Size = from.Number<ushort>();
        Ready = from.Flag("a queue's readiness");
        DescriptorTable = new(from.Number<ulong>());
        DriverArea = new(from.Number<ulong>());
        DeviceArea = new(from.Number<ulong>());
        _nextAvailable = from.Number<ushort>();
        _nextUsed = from.Number<ushort>();
        _signalledUsed = from.Number<ushort>();
    }

    internal BrokenDeviceException Broken(string field, string problem) => new(device, index, field, problem);

    private bool HasPending(GuestMemory memory)
    {
        if (Pending(memory) > 0) return true;
        if (!_eventIndex) return false;
        // Ask to be notified of the next request, then look once more: it may have come just before.
        memory.StoreRelease(DeviceArea + RingHeader + (Size * UsedElement), _nextAvailable);
        Thread.MemoryBarrier();
        return Pending(memory) > 0;
    }

    private ushort Pending(GuestMemory memory)
    {
        var available = memory.LoadAcquire(DriverArea + 2);
        var pending = (ushort)(available - _nextAvailable);
        return pending <= Size ? pending : throw Broken("avail.idx", $"{available} is {pending} requests ahead of {_nextAvailable} in a ring of {Size}");
    }

    private void Check(GuestMemory memory, string area, GuestAddress address, uint length, uint alignment)
    {
        if (address.Value % alignment != 0) throw Broken(area, $"{address} is not a multiple of {alignment}");
        if (!memory.Contains(address, length)) throw Broken(area, $"{length} bytes at {address}, outside the guest's memory");
    }
}

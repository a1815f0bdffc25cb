using System.Buffers.Binary;
using RunnerVm.Vmm.Monitor.Bus;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio;

/// <summary>
/// Virtio over memory-mapped registers, version 2 only (virtio 1.2, 4.2): all of the protocol between driver and device that
/// is not about requests. Owns its device.
/// </summary>
/// <remarks>
/// One lock a device. Registers that an interrupt or a notification needs go without it, so that a vCPU does not stand still
/// while the loop is busy with the device's requests: InterruptStatus, InterruptACK, QueueNotify.
/// </remarks>
internal sealed partial class MmioTransport : IBusDevice, IDisposable
{
    /// <summary>Bytes of guest physical addresses it answers at.</summary>
    public const uint RegionSize = 0x1000;

    /// <summary>Where a driver writes a queue's number as 32 bits to say that it has requests.</summary>
    public const uint NotifyOffset = (uint)MmioRegister.QueueNotify;

    private readonly Lock _gate = new();
    private readonly IVirtioDevice _device;
    private readonly GuestMemory _memory;
    private readonly EventLoop _loop;
    private readonly EventFd _interrupt;
    private readonly Action<BrokenDeviceException> _broken;
    private readonly Virtqueue[] _queues;
    private readonly EventFd[] _queueEvents;
    private readonly Watch[] _queueWatches;
    private readonly Action<int> _serveQueue;

    private DeviceStatus _status;
    private uint _deviceFeaturesSelect;
    private uint _driverFeaturesSelect;
    private ulong _driverFeatures;
    private uint _queueSelect;
    private uint _configGeneration;

    /// <param name="device">Taken over.</param>
    /// <param name="interrupt">An edge of the device's interrupt line for each signal; the caller's.</param>
    /// <param name="broken">Called once, on any thread, without the lock: the machine is to stop.</param>
    public MmioTransport(
        IVirtioDevice device, GuestMemory memory, EventLoop loop, EventFd interrupt, Action<BrokenDeviceException> broken)
    {
        (_device, _memory, _loop, _interrupt, _broken) = (device, memory, loop, interrupt, broken);
        _queues = [.. device.QueueSizes.Select((size, index) => new Virtqueue(device.Name, index, size))];
        _queueEvents = [.. _queues.Select(static _ => new EventFd())];
        _serveQueue = ServeQueue;
        _queueWatches = [.. _queues.Select(queue =>
            loop.Watch(_queueEvents[queue.Index].Descriptor, EpollEvents.Readable, _ => OnQueueEvent(queue.Index)))];
    }

    /// <summary>One for each queue: signalled where the driver writes its number at <see cref="NotifyOffset"/>.</summary>
    public IReadOnlyList<EventFd> QueueEvents => _queueEvents;

    public IVirtioDevice Device => _device;

    private ulong OfferedFeatures => _device.Features | VirtioFeatures.OfTransport;

    public void Read(ulong offset, Span<byte> into)
    {
        if (offset >= (ulong)MmioRegister.Config)
        {
            lock (_gate) _device.ReadConfig((uint)(offset - (ulong)MmioRegister.Config), into);
            return;
        }

        // "The driver MUST only use 32 bit wide and aligned reads" (4.2.2.2); others read as zero.
        if (into.Length == sizeof(uint) && offset % sizeof(uint) == 0)
            BinaryPrimitives.WriteUInt32LittleEndian(into, ReadRegister((MmioRegister)offset));
    }

    public void Write(ulong offset, ReadOnlySpan<byte> from)
    {
        if (offset >= (ulong)MmioRegister.Config)
        {
            WriteConfig((uint)(offset - (ulong)MmioRegister.Config), from);
            return;
        }

        if (from.Length == sizeof(uint) && offset % sizeof(uint) == 0)
            WriteRegister((MmioRegister)offset, BinaryPrimitives.ReadUInt32LittleEndian(from));
    }

    /// <summary>Runs a control action on the device, under its lock.</summary>
    /// <exception cref="VmmFaultException">The action's own, or the device turned out to be broken.</exception>
    public T WithDevice<T>(Func<T> action)
    {
        T? result = default;
        var done = false;
        Guard(
            _ =>
            {
                result = action();
                done = true;
            },
            0);
        return done ? result! : throw new VmmFaultException($"{_device.Name} is broken; the machine is being stopped.");
    }

    /// <inheritdoc cref="WithDevice{T}"/>
    public void WithDevice(Action action) => WithDevice(() =>
    {
        action();
        return true;
    });

    public void Dispose()
    {
        foreach (var watch in _queueWatches) watch.Dispose();
        lock (_gate)
        {
            ResetNeedsLock();
            _device.Dispose();
        }

        foreach (var queueEvent in _queueEvents) queueEvent.Dispose();
    }

    private void WriteConfig(uint offset, ReadOnlySpan<byte> from)
    {
        Span<byte> padded = stackalloc byte[sizeof(ulong)];
        padded.Clear();
        from.CopyTo(padded);
        Guard(
            static write => write.Transport.WriteConfigNeedsLock(write.Offset, write.Value, write.Length),
            (Transport: this, Offset: offset, Value: BinaryPrimitives.ReadUInt64LittleEndian(padded), from.Length));
    }

    private void WriteConfigNeedsLock(uint offset, ulong value, int length)
    {
        // 3.1.1, step 4: the driver may look from DRIVER on, and write as the device's section says.
        if ((_status & (DeviceStatus.Driver | DeviceStatus.Failed | DeviceStatus.NeedsReset)) != DeviceStatus.Driver) return;
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        _device.WriteConfig(offset, bytes[..length]);
    }

    private void OnQueueEvent(int queue)
    {
        _queueEvents[queue].Drain();
        Guard(_serveQueue, queue);
    }

    private void ServeQueue(int queue)
    {
        if (_status.IsRunning()) _device.OnQueueNotified(queue);
    }

    /// <summary>Every way into the device's request handling: under the lock, and nothing gets out but by <see cref="_broken"/>.</summary>
    private void Guard<T>(Action<T> action, T argument)
    {
        BrokenDeviceException? problem = null;
        lock (_gate)
        {
            try
            {
                action(argument);
            }
            catch (Exception e) when (Translate(e) is { } broken)
            {
                problem = BreakNeedsLock(broken);
            }
        }

        if (problem is not null) _broken(problem);
    }
}

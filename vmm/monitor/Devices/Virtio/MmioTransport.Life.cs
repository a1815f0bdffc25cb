using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio;

/// <summary>Activation, reset, interrupts, and the end of a device whose driver cannot be trusted.</summary>
internal sealed partial class MmioTransport : IDeviceHost
{
    private const uint UsedBufferInterrupt = 1;
    private const uint ConfigurationInterrupt = 2;

    private uint _interruptStatus;
    private bool _reported;

    void IDeviceHost.ConfigurationChanged() => ConfigurationChangedNeedsLock();

    void IDeviceHost.NotifyAgain(int queue) => _queueEvents[queue].Signal();

    Watch IDeviceHost.Watch(FileDescriptor descriptor, EpollEvents events, Action<EpollEvents> handler)
    {
        var guarded = new GuardedWatch(this, handler);
        guarded.Watch = _loop.Watch(descriptor, events, guarded.OnEvents);
        return guarded.Watch;
    }

    private void WriteStatusNeedsLock(uint value)
    {
        var before = _status;
        _status = before.Next((DeviceStatus)(byte)value, FeaturesAcceptable());
        if (_status == DeviceStatus.Reset) ResetNeedsLock();
        else if (_status.IsRunning() && !before.IsRunning()) ActivateNeedsLock();
    }

    /// <summary>2.2.2: a driver that does not know version 1, or wants what was not offered, is not agreed with.</summary>
    private bool FeaturesAcceptable() =>
        (_driverFeatures & (1ul << VirtioFeatures.Version1)) != 0 && (_driverFeatures & ~OfferedFeatures) == 0;

    private void ActivateNeedsLock()
    {
        var activation = new DeviceActivation { Memory = _memory, Queues = _queues, Features = _driverFeatures, Host = this };
        foreach (var queue in _queues)
        {
            queue.Activate(
                _memory, activation.Has(VirtioFeatures.EventIndex), activation.Has(VirtioFeatures.IndirectDescriptors), RaiseUsedBuffer);
        }

        _device.Activate(activation);
        // A driver may have filled a queue before DRIVER_OK; the notification went by when nobody served it.
        foreach (var queue in _queues)
            if (queue.Ready) _queueEvents[queue.Index].Signal();
    }

    private void ResetNeedsLock()
    {
        _status = DeviceStatus.Reset;
        _device.Reset();
        foreach (var queue in _queues) queue.Reset();
        (_deviceFeaturesSelect, _driverFeaturesSelect, _driverFeatures, _queueSelect) = (0, 0, 0, 0);
        // The generation goes on counting: a driver that compares never sees an old number again.
        Volatile.Write(ref _interruptStatus, 0);
    }

    private void RaiseUsedBuffer() => Raise(UsedBufferInterrupt);

    private void ConfigurationChangedNeedsLock()
    {
        _configGeneration++;
        if ((_status & DeviceStatus.DriverOk) != 0) Raise(ConfigurationInterrupt);
    }

    /// <summary>The reason first, then the edge: a driver that comes for the edge finds it.</summary>
    private void Raise(uint reason)
    {
        Interlocked.Or(ref _interruptStatus, reason);
        _interrupt.Signal();
    }

    /// <returns>What to report, or null when it was reported before.</returns>
    private BrokenDeviceException? BreakNeedsLock(BrokenDeviceException problem)
    {
        _status |= DeviceStatus.NeedsReset;
        ConfigurationChangedNeedsLock(); // 2.1.2: the driver is told.
        if (_reported) return null;
        _reported = true;
        return problem;
    }

    private BrokenDeviceException? Translate(Exception e) => e switch
    {
        BrokenDeviceException broken => broken,
        GuestMemoryException memory => new(_device.Name, null, "address", memory.Message),
        LinuxException host => new(_device.Name, null, "host", host.Problem),
        _ => null,
    };

    /// <summary>A watch of the device's, whose handler runs under the lock and only while the watch is wanted.</summary>
    private sealed class GuardedWatch
    {
        private readonly MmioTransport _transport;
        private readonly Action<EpollEvents> _handleNeedsLock;

        public GuardedWatch(MmioTransport transport, Action<EpollEvents> handler)
        {
            _transport = transport;
            _handleNeedsLock = events =>
            {
                // A vCPU may have reset the device while the loop stood before the lock.
                if (Watch is null or { IsDisposed: false } && (_transport._status & DeviceStatus.NeedsReset) == 0) handler(events);
            };
        }

        public Watch? Watch { get; set; }

        public void OnEvents(EpollEvents events) => _transport.Guard(_handleNeedsLock, events);
    }
}

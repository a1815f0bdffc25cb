using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio;

/// <summary>What reading and writing each register does (virtio 1.2, 4.2.2, table 4.1).</summary>
internal sealed partial class MmioTransport
{
    private const uint Magic = 0x74726976; // "virt"
    private const uint ModernVersion = 2;
    private const uint NoSharedMemory = uint.MaxValue;

    private Virtqueue? SelectedQueue => _queueSelect < _queues.Length ? _queues[_queueSelect] : null;

    private uint ReadRegister(MmioRegister register)
    {
        if (register == MmioRegister.InterruptStatus) return Volatile.Read(ref _interruptStatus);
        lock (_gate)
        {
            return register switch
            {
                MmioRegister.MagicValue => Magic,
                MmioRegister.Version => ModernVersion,
                MmioRegister.DeviceId => _device.Type,
                MmioRegister.DeviceFeatures => Half(OfferedFeatures, _deviceFeaturesSelect),
                MmioRegister.QueueSizeMaximum => SelectedQueue?.MaximumSize ?? 0u, // 0: there is no such queue
                MmioRegister.QueueReady => SelectedQueue is { Ready: true } ? 1u : 0u,
                MmioRegister.Status => (uint)_status,
                MmioRegister.SharedMemoryLengthLow or MmioRegister.SharedMemoryLengthHigh => NoSharedMemory,
                MmioRegister.SharedMemoryBaseLow or MmioRegister.SharedMemoryBaseHigh => NoSharedMemory,
                MmioRegister.ConfigGeneration => _configGeneration,
                _ => 0,
            };
        }
    }

    private void WriteRegister(MmioRegister register, uint value)
    {
        switch (register)
        {
            case MmioRegister.InterruptAcknowledge:
                Interlocked.And(ref _interruptStatus, ~value);
                return;
            case MmioRegister.QueueNotify:
                // KVM signals the event itself where it was told to; this is for a write that reached us anyway.
                if (value < (uint)_queueEvents.Length) _queueEvents[value].Signal();
                return;
            case MmioRegister.Status:
                Guard(static change => change.Transport.WriteStatusNeedsLock(change.Status), (Transport: this, Status: value));
                return;
        }

        lock (_gate)
        {
            if (register < MmioRegister.QueueSelect) WriteFeaturesNeedsLock(register, value);
            else if (register == MmioRegister.QueueSelect) _queueSelect = value;
            else if (SelectedQueue is { } queue) WriteQueueNeedsLock(queue, register, value);
        }
    }

    private void WriteFeaturesNeedsLock(MmioRegister register, uint value)
    {
        switch (register)
        {
            case MmioRegister.DeviceFeaturesSelect:
                _deviceFeaturesSelect = value;
                break;
            case MmioRegister.DriverFeaturesSelect:
                _driverFeaturesSelect = value;
                break;
            case MmioRegister.DriverFeatures when _status.IsNegotiating():
                if (_driverFeaturesSelect == 0) _driverFeatures = WithLow(_driverFeatures, value);
                else if (_driverFeaturesSelect == 1) _driverFeatures = WithHigh(_driverFeatures, value);
                break;
        }
    }

    /// <summary>A queue is described before DRIVER_OK, and not while it is ready (4.2.2.2). Other writes change nothing.</summary>
    private void WriteQueueNeedsLock(Virtqueue queue, MmioRegister register, uint value)
    {
        if (register == MmioRegister.QueueReady)
        {
            if (value == 0) queue.Stop();
            else if (value == 1 && _status.IsConfiguringQueues()) queue.Ready = true;
            return;
        }

        if (queue.Ready || !_status.IsConfiguringQueues()) return;
        switch (register)
        {
            case MmioRegister.QueueSize:
                // What does not fit becomes 0, which activation refuses; cut to 16 bits it might look like a size.
                queue.Size = value <= ushort.MaxValue ? (ushort)value : (ushort)0;
                break;
            case MmioRegister.QueueDescriptorLow:
                queue.DescriptorTable = new(WithLow(queue.DescriptorTable.Value, value));
                break;
            case MmioRegister.QueueDescriptorHigh:
                queue.DescriptorTable = new(WithHigh(queue.DescriptorTable.Value, value));
                break;
            case MmioRegister.QueueDriverLow:
                queue.DriverArea = new(WithLow(queue.DriverArea.Value, value));
                break;
            case MmioRegister.QueueDriverHigh:
                queue.DriverArea = new(WithHigh(queue.DriverArea.Value, value));
                break;
            case MmioRegister.QueueDeviceLow:
                queue.DeviceArea = new(WithLow(queue.DeviceArea.Value, value));
                break;
            case MmioRegister.QueueDeviceHigh:
                queue.DeviceArea = new(WithHigh(queue.DeviceArea.Value, value));
                break;
        }
    }

    private static uint Half(ulong features, uint select) => select switch
    {
        0 => (uint)features,
        1 => (uint)(features >> 32),
        _ => 0,
    };

    private static ulong WithLow(ulong value, uint low) => (value & 0xffff_ffff_0000_0000) | low;

    private static ulong WithHigh(ulong value, uint high) => (value & 0xffff_ffff) | ((ulong)high << 32);
}

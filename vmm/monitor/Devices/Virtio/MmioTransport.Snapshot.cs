using RunnerVm.Vmm.Monitor.Snapshots;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio;

/// <summary>What driver and device have agreed on, as a record; the device's own is in it.</summary>
internal sealed partial class MmioTransport
{
    private const byte SnapshotVersion = 1;

    /// <summary>While no vCPU runs, on the loop: nothing is under way between the handlers.</summary>
    public void Save(StateWriter into)
    {
        lock (_gate)
        {
            into.Record(StateRecord.Transport, SnapshotVersion, record =>
            {
                record.Number(_device.Type);
                // First: a device may give buffers back before its queues are looked at.
                record.Record(StateRecord.Device, _device.SnapshotVersion, _device.Save);
                record.Number((byte)_status);
                record.Number(_driverFeatures);
                record.Number(_deviceFeaturesSelect);
                record.Number(_driverFeaturesSelect);
                record.Number(_queueSelect);
                record.Number(_configGeneration);
                record.Number(Volatile.Read(ref _interruptStatus));
                record.Number((byte)_queues.Length);
                foreach (var queue in _queues) queue.Save(record);
            });
        }
    }

    /// <summary>Before any vCPU runs, after the interrupt controllers are as they were.</summary>
    /// <exception cref="BadStateException">It cannot be this device's.</exception>
    public void Restore(ref StateReader from)
    {
        lock (_gate)
        {
            var record = from.Record(StateRecord.Transport, SnapshotVersion);
            var type = record.Number<uint>();
            if (type != _device.Type) throw BadStateException.Damaged($"a device of type {type} stands where {_device.Name} is expected");
            var device = record.Record(StateRecord.Device, _device.SnapshotVersion);
            _status = (DeviceStatus)record.Number<byte>();
            _driverFeatures = record.Number<ulong>();
            _deviceFeaturesSelect = record.Number<uint>();
            _driverFeaturesSelect = record.Number<uint>();
            _queueSelect = record.Number<uint>();
            _configGeneration = record.Number<uint>();
            _interruptStatus = record.Number<uint>();
            var queues = record.Number<byte>();
            if (queues != _queues.Length) throw BadStateException.Damaged($"{_device.Name} has {queues} queues and should have {_queues.Length}");
            foreach (var queue in _queues) queue.Restore(ref record);
            record.End(_device.Name);
            RestoreNeedsLock(ref device);
            device.End(_device.Name);
        }
    }

    private void RestoreNeedsLock(ref StateReader device)
    {
        if (!_status.IsPossible()) throw BadStateException.Damaged($"{_device.Name} has status 0x{(byte)_status:x}");
        if ((_status & DeviceStatus.FeaturesOk) != 0 && !FeaturesAcceptable())
            throw BadStateException.Damaged($"{_device.Name} has features 0x{_driverFeatures:x}, which it does not offer");
        try
        {
            // The queues stand where they stood, and what was notified of before is looked at again.
            if (_status.IsRunning()) ActivateNeedsLock();
        }
        catch (Exception e) when (Translate(e) is { } broken)
        {
            throw BadStateException.Damaged(broken.Message);
        }

        _device.Restore(ref device);
        // The driver may not have seen why it was interrupted, or not have been interrupted yet: once too often is nothing to it.
        if (_interruptStatus != 0) _interrupt.Signal();
    }
}

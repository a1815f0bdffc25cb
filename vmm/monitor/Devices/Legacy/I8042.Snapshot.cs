using RunnerVm.Vmm.Monitor.Snapshots;

namespace RunnerVm.Vmm.Monitor.Devices.Legacy;

internal sealed partial class I8042
{
    private const byte SnapshotVersion = 1;

    /// <summary>While no vCPU runs.</summary>
    public void Save(StateWriter into)
    {
        lock (_lock)
        {
            into.Record(StateRecord.Keyboard, SnapshotVersion, record =>
            {
                record.Number(_control);
                record.Number(_outputPort);
                record.Number(_expecting);
                record.Flag(_lastWasCommand);
                record.Number((byte)_count);
                for (var i = 0; i < Capacity; i++) record.Number(_queue[(_start + i) % Capacity]);
            });
        }
    }

    /// <summary>Before any vCPU runs, after the interrupt controllers are as they were.</summary>
    /// <exception cref="BadStateException">It cannot be.</exception>
    public void Restore(ref StateReader from)
    {
        var record = from.Record(StateRecord.Keyboard, SnapshotVersion);
        lock (_lock)
        {
            _control = record.Number<byte>();
            _outputPort = record.Number<byte>();
            _expecting = record.Number<byte>();
            _lastWasCommand = record.Flag("the keyboard's last byte");
            (_start, _count) = (0, record.Number("the keyboard's queue", (byte)0, (byte)Capacity));
            for (var i = 0; i < Capacity; i++) _queue[i] = record.Number<byte>();
            record.End("the keyboard");
            if (_count > 0) Interrupt(); // The edge may have been on its way.
        }
    }
}

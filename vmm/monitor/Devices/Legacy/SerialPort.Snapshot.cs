using RunnerVm.Vmm.Monitor.Snapshots;

namespace RunnerVm.Vmm.Monitor.Devices.Legacy;

// What is written and not yet read by anybody outside stays with this process.
internal sealed partial class SerialPort
{
    private const byte SnapshotVersion = 1;

    /// <summary>While no vCPU runs.</summary>
    public void Save(StateWriter into)
    {
        lock (_lock)
        {
            into.Record(StateRecord.SerialPort, SnapshotVersion, record =>
            {
                record.Number(_interruptEnable);
                record.Number(_fifoControl);
                record.Number(_lineControl);
                record.Number(_modemControl);
                record.Number(_scratch);
                record.Number(_divisor);
                record.Flag(_overrun);
                record.Flag(_transmitterNews);
                record.Number((byte)_receivedCount);
                for (var i = 0; i < FifoBytes; i++) record.Number(_received[(_receivedStart + i) % FifoBytes]);
            });
        }
    }

    /// <summary>Before any vCPU runs, after the interrupt controllers are as they were.</summary>
    /// <exception cref="BadStateException">It cannot be.</exception>
    public void Restore(ref StateReader from)
    {
        var record = from.Record(StateRecord.SerialPort, SnapshotVersion);
        lock (_lock)
        {
            _interruptEnable = (byte)(record.Number<byte>() & 0xf);
            _fifoControl = record.Number<byte>();
            _lineControl = record.Number<byte>();
            _modemControl = (byte)(record.Number<byte>() & 0x1f);
            _scratch = record.Number<byte>();
            _divisor = record.Number<ushort>();
            _overrun = record.Flag("the serial port's overrun");
            _transmitterNews = record.Flag("the serial port's transmitter");
            (_receivedStart, _receivedCount) = (0, record.Number("the serial port's receiver", (byte)0, (byte)FifoBytes));
            for (var i = 0; i < FifoBytes; i++) _received[i] = record.Number<byte>();
            record.End("the serial port");
            InterruptIfWanted(); // The edge may have been on its way.
        }
    }
}

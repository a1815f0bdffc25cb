using RunnerVm.Vmm.Monitor.Bus;
using RunnerVm.Vmm.Native.Handles;

namespace RunnerVm.Vmm.Monitor.Devices.Legacy;

/// <summary>A 16550A (National Semiconductor's data sheet): the guest's first console. It sends without taking any time.</summary>
/// <param name="interrupt">An edge on IRQ 4.</param>
internal sealed partial class SerialPort(SerialOutput output, EventFd interrupt) : IBusDevice
{
    public const ushort Port = 0x3f8;
    public const int Ports = 8;

    internal const int FifoBytes = 16;

    private const byte DataAvailableEnabled = 1;
    private const byte TransmitterEmptyEnabled = 2;
    private const byte LineStatusEnabled = 4;
    private const byte NoInterrupt = 1;
    private const byte TransmitterEmpty = 2;
    private const byte DataAvailable = 4;
    private const byte LineStatus = 6;
    private const byte FifosOn = 0xc0;
    private const byte FifoEnable = 1;
    private const byte FifoClearReceiver = 2;
    private const byte DivisorAccess = 0x80;
    private const byte Loopback = 0x10;
    private const byte OutputTwo = 8;
    private const byte ReceiverFull = 1;
    private const byte Overrun = 2;
    private const byte TransmitterIdle = 0x60;
    private const byte ModemReady = 0xb0; // Carrier, data set ready, clear to send.

    private readonly Lock _lock = new();
    private readonly byte[] _received = new byte[FifoBytes];
    private int _receivedStart;
    private int _receivedCount;
    private byte _interruptEnable;
    private byte _fifoControl;
    private byte _lineControl = 3; // Eight bits.
    private byte _modemControl = OutputTwo;
    private byte _scratch;
    private ushort _divisor = 12; // 9600 baud, which nobody keeps to.
    private bool _overrun;
    private bool _transmitterNews;

    public LegacyCounters Counters { get; } = new();

    /// <summary>Called when the receiver has room again after it was full; under the port's lock.</summary>
    public Action? RoomAgain { get; set; }

    private int ReceiverBytes => (_fifoControl & FifoEnable) != 0 ? FifoBytes : 1;

    /// <summary>Any thread. How many bytes the receiver took of what came in.</summary>
    public int Receive(ReadOnlySpan<byte> bytes)
    {
        lock (_lock)
        {
            var taken = 0;
            while (taken < bytes.Length && _receivedCount < ReceiverBytes) PutReceived(bytes[taken++]);
            if (taken > 0) InterruptIfWanted();
            return taken;
        }
    }

    /// <summary>How many bytes <see cref="Receive"/> would take now.</summary>
    public int Room
    {
        get
        {
            lock (_lock) return ReceiverBytes - _receivedCount;
        }
    }

    public void Read(ulong offset, Span<byte> into)
    {
        lock (_lock) into[0] = ReadRegister((int)offset);
    }

    public void Write(ulong offset, ReadOnlySpan<byte> from)
    {
        lock (_lock) WriteRegister((int)offset, from[0]);
    }

    private byte ReadRegister(int register) => (register, (_lineControl & DivisorAccess) != 0) switch
    {
        (0, true) => (byte)_divisor,
        (0, false) => TakeReceived(),
        (1, true) => (byte)(_divisor >> 8),
        (1, false) => _interruptEnable,
        (2, _) => IdentifyInterrupt(),
        (3, _) => _lineControl,
        (4, _) => _modemControl,
        (5, _) => ReadLineStatus(),
        (6, _) => ModemStatus(),
        _ => _scratch,
    };

    private void WriteRegister(int register, byte value)
    {
        switch (register, (_lineControl & DivisorAccess) != 0)
        {
            case (0, true):
                _divisor = (ushort)((_divisor & 0xff00) | value);
                break;
            case (0, false):
                Transmit(value);
                break;
            case (1, true):
                _divisor = (ushort)((_divisor & 0xff) | (value << 8));
                break;
            case (1, false):
                // Switching it on while the transmitter is empty interrupts at once; drivers begin to send that way.
                _transmitterNews |= (value & ~_interruptEnable & TransmitterEmptyEnabled) != 0;
                _interruptEnable = (byte)(value & 0xf);
                InterruptIfWanted();
                break;
            case (2, _):
                if ((value & FifoClearReceiver) != 0 || ((value ^ _fifoControl) & FifoEnable) != 0) _receivedCount = 0;
                _fifoControl = value;
                RoomAgain?.Invoke();
                break;
            case (3, _):
                _lineControl = value;
                break;
            case (4, _):
                _modemControl = (byte)(value & 0x1f);
                break;
            case (7, _):
                _scratch = value;
                break;
        }
    }

    private void Transmit(byte value)
    {
        Counters.Writes++;
        if ((_modemControl & Loopback) == 0) output.Put(value);
        else if (_receivedCount < ReceiverBytes) PutReceived(value);
        else _overrun = true;
        _transmitterNews = true;
        InterruptIfWanted();
    }

    private void PutReceived(byte value) => _received[(_receivedStart + _receivedCount++) % FifoBytes] = value;

    private byte TakeReceived()
    {
        if (_receivedCount == 0)
        {
            Counters.MissedReads++;
            return 0;
        }

        Counters.Reads++;
        var value = _received[_receivedStart];
        _receivedStart = (_receivedStart + 1) % FifoBytes;
        if (--_receivedCount == 0) RoomAgain?.Invoke();
        return value;
    }

    private byte ReadLineStatus()
    {
        var status = (byte)(TransmitterIdle | (_receivedCount > 0 ? ReceiverFull : 0) | (_overrun ? Overrun : 0));
        _overrun = false;
        return status;
    }

    /// <summary>In loopback our outputs are our inputs: DTR is DSR, RTS is CTS, OUT1 is RI, OUT2 is DCD.</summary>
    private byte ModemStatus() => (_modemControl & Loopback) == 0
        ? ModemReady
        : (byte)(((_modemControl & 1) << 5) | ((_modemControl & 2) << 3) | ((_modemControl & 4) << 4) | ((_modemControl & 8) << 4));

    private byte IdentifyInterrupt()
    {
        var pending = Pending();
        // Reading it is what takes the transmitter's interrupt back.
        if (pending == TransmitterEmpty) _transmitterNews = false;
        return (byte)(pending | ((_fifoControl & FifoEnable) != 0 ? FifosOn : 0));
    }

    /// <summary>In the order of the data sheet's table of priorities.</summary>
    private byte Pending()
    {
        if (_overrun && (_interruptEnable & LineStatusEnabled) != 0) return LineStatus;
        if (_receivedCount > 0 && (_interruptEnable & DataAvailableEnabled) != 0) return DataAvailable;
        return _transmitterNews && (_interruptEnable & TransmitterEmptyEnabled) != 0 ? TransmitterEmpty : NoInterrupt;
    }

    /// <summary>PCs lead the line through the OUT2 pin, and loopback takes the pins away.</summary>
    private void InterruptIfWanted()
    {
        if (Pending() != NoInterrupt && (_modemControl & (OutputTwo | Loopback)) == OutputTwo) interrupt.Signal();
    }
}

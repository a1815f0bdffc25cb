using RunnerVm.Vmm.Monitor.Bus;
using RunnerVm.Vmm.Native.Handles;

namespace RunnerVm.Vmm.Monitor.Devices.Legacy;

/// <summary>
/// The keyboard controller: a reset line for <c>reboot=k</c>, and a keyboard with just the three keys an operator needs.
/// </summary>
/// <remarks>Ports 0x60 (data) and 0x64 (status and commands).</remarks>
/// <param name="interrupt">An edge on IRQ 1.</param>
/// <param name="reset">Called on the vCPU that pulled the line.</param>
internal sealed partial class I8042(EventFd interrupt, Action reset) : IBusDevice
{
    public const ushort Port = 0x60;
    public const int Ports = 5;

    private const int Capacity = 16;
    private const ulong CommandOffset = 4;

    // Status.
    private const byte OutputFull = 1;
    private const byte SystemFlag = 4;
    private const byte AfterCommand = 8;
    private const byte Unlocked = 0x10;

    // Commands of the controller.
    private const byte ReadControl = 0x20;
    private const byte WriteControl = 0x60;
    private const byte SelfTest = 0xaa;
    private const byte TestKeyboardPort = 0xab;
    private const byte DisableKeyboard = 0xad;
    private const byte EnableKeyboard = 0xae;
    private const byte ReadOutputPort = 0xd0;
    private const byte WriteOutputPort = 0xd1;
    private const byte PulseReset = 0xfe;

    // The control byte.
    private const byte KeyboardInterrupt = 1;
    private const byte KeyboardDisabled = 0x10;

    // The keyboard.
    private const byte Acknowledge = 0xfa;
    private const byte Identify = 0xf2;
    private const byte ResetKeyboard = 0xff;

    /// <summary>Scan code set 2, as the keyboard sends it: Ctrl, Alt, Delete go down; then they come up again.</summary>
    private static ReadOnlySpan<byte> CtrlAltDel => [0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0, 0x71, 0xf0, 0x11, 0xf0, 0x14];

    private readonly Lock _lock = new();
    private readonly byte[] _queue = new byte[Capacity];
    private int _start;
    private int _count;
    private byte _control = SystemFlag | KeyboardInterrupt;
    private byte _outputPort = 3;
    private byte _expecting;
    private bool _lastWasCommand;

    public LegacyCounters Counters { get; } = new();

    /// <summary>False when the guest has not taken what was typed before.</summary>
    public bool TypeCtrlAltDel()
    {
        lock (_lock)
        {
            if (_count + CtrlAltDel.Length > Capacity || (_control & KeyboardDisabled) != 0) return false;
            foreach (var code in CtrlAltDel) Put(code);
            Interrupt();
            return true;
        }
    }

    public void Read(ulong offset, Span<byte> into)
    {
        lock (_lock)
        {
            into[0] = offset switch
            {
                0 => Take(),
                CommandOffset => (byte)(Unlocked | SystemFlag | (_count > 0 ? OutputFull : 0) | (_lastWasCommand ? AfterCommand : 0)),
                _ => 0xff,
            };
        }
    }

    public void Write(ulong offset, ReadOnlySpan<byte> from)
    {
        lock (_lock)
        {
            if (offset is not (0 or CommandOffset))
            {
                Counters.MissedWrites++;
                return;
            }

            Counters.Writes++;
            if (offset == CommandOffset) Command(from[0]);
            else Data(from[0]);
        }
    }

    private void Command(byte command)
    {
        _lastWasCommand = true;
        _expecting = 0;
        switch (command)
        {
            case ReadControl:
                Answer(_control);
                break;
            case SelfTest:
                Answer(0x55);
                break;
            case TestKeyboardPort:
                Answer(0);
                break;
            case DisableKeyboard:
                _control |= KeyboardDisabled;
                break;
            case EnableKeyboard:
                _control &= unchecked((byte)~KeyboardDisabled);
                break;
            case ReadOutputPort:
                Answer(_outputPort);
                break;
            case WriteControl or WriteOutputPort:
                _expecting = command;
                break;
            case PulseReset:
                Reset();
                break;
        }
    }

    private void Reset()
    {
        Counters.Resets++;
        reset();
    }

    private void Data(byte value)
    {
        _lastWasCommand = false;
        var expecting = _expecting;
        _expecting = 0;
        switch (expecting)
        {
            case WriteControl:
                _control = value;
                break;
            case WriteOutputPort:
                _outputPort = value;
                if ((value & 1) == 0) Reset();
                break;
            default:
                Keyboard(value);
                break;
        }
    }

    /// <summary>What a driver asks before it believes that there is a keyboard; all else is acknowledged.</summary>
    private void Keyboard(byte command)
    {
        Put(Acknowledge);
        if (command == Identify)
        {
            Put(0xab);
            Put(0x83);
        }
        else if (command == ResetKeyboard) Put(0xaa);

        Interrupt();
    }

    /// <summary>The controller's own answers come alone.</summary>
    private void Answer(byte value)
    {
        _count = 0;
        Put(value);
    }

    private void Put(byte value)
    {
        if (_count < Capacity) _queue[(_start + _count++) % Capacity] = value;
    }

    private byte Take()
    {
        if (_count == 0)
        {
            Counters.MissedReads++;
            return 0;
        }

        Counters.Reads++;
        var value = _queue[_start];
        _start = (_start + 1) % Capacity;
        if (--_count > 0) Interrupt();
        return value;
    }

    private void Interrupt()
    {
        if ((_control & KeyboardInterrupt) != 0) interrupt.Signal();
    }
}

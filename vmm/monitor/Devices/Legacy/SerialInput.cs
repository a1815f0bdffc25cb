using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Monitor.Devices.Legacy;

/// <summary>
/// What is typed goes to the guest's serial port, as fast as its driver takes it; the rest waits where it is. On the loop.
/// </summary>
internal sealed class SerialInput : IDisposable
{
    private readonly FileDescriptor _input;
    private readonly SerialPort _port;
    private readonly EventLoop _loop;
    private readonly RawTerminal? _raw;
    private readonly byte[] _buffer = new byte[SerialPort.FifoBytes];
    private Watch? _watch;
    private volatile bool _waitingForRoom;
    private bool _over;

    /// <param name="input">Taken over. A terminal is raw for as long as this lives.</param>
    public SerialInput(FileDescriptor input, SerialPort port, EventLoop loop)
    {
        (_input, _port, _loop) = (input, port, loop);
        _raw = RawTerminal.TryEnter(input);
        port.RoomAgain = OnRoomAgain;
        Listen();
    }

    public void Dispose()
    {
        Stop();
        _raw?.Dispose();
        _input.Dispose();
    }

    private void Listen() => _watch ??= _over ? null : _loop.Watch(_input, EpollEvents.Readable, _ => Take());

    private void Stop()
    {
        _over = true;
        _watch?.Dispose();
        _watch = null;
    }

    private void Take()
    {
        // Set before looking: a driver that reads in between is noticed.
        _waitingForRoom = true;
        var room = _port.Room;
        if (room == 0)
        {
            _watch?.Dispose();
            _watch = null;
            return;
        }

        _waitingForRoom = false;
        var count = _input.Read(_buffer.AsSpan(0, room));
        if (count > 0) _port.Receive(_buffer.AsSpan(0, (int)count));
        else if (count is not (-LibC.EAGAIN or -LibC.EINTR)) Stop();
    }

    /// <summary>On the vCPU that emptied the receiver.</summary>
    private void OnRoomAgain()
    {
        if (!_waitingForRoom) return;
        _waitingForRoom = false;
        _loop.Post(Listen);
    }
}

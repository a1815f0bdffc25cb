using System.Buffers.Binary;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;

/// <summary>Sockets between guest and host (virtio 1.2, 5.10): the queues, and what waits for them.</summary>
internal sealed partial class VsockDevice : IVirtioDevice
{
    private const int Receive = 0; // The guest's view: packets for it.
    private const int Transmit = 1;
    private const int Event = 2;
    private const ushort QueueSize = 256;

    /// <summary>Packets of a queue in one go; then others on the event loop have their turn.</summary>
    private const int Share = QueueSize;

    private readonly uint _guestCid;
    private readonly TimeProvider _time;
    private readonly VsockListener _listener;
    private readonly VsockMultiplexer _multiplexer;
    private readonly TimerFd _timer = new();
    private readonly DescriptorChain _chain = new();
    private readonly GuestBuffers _head = new(DescriptorChain.DefaultCapacity);
    private DeviceActivation? _activation;
    private Watch? _timerWatch;
    private long? _armed;

    /// <exception cref="VmmFaultException">The identifier is taken, or the socket cannot be made.</exception>
    public VsockDevice(Configuration.Vsock configuration, TimeProvider? time = null)
    {
        _guestCid = configuration.GuestCid;
        if (_guestCid is < 3 or uint.MaxValue)
            throw new VmmFaultException($"guest_cid {_guestCid} is reserved. Choose one from 3 to {uint.MaxValue - 1}.");
        _time = time ?? TimeProvider.System;
        _listener = new(configuration.UdsPath);
        _multiplexer = new(_guestCid, _listener.Connect, Counters, _time);
    }

    public VsockCounters Counters { get; } = new();

    public string Name => "vsock";

    public uint Type => 19;

    /// <summary>Streams only, which need no feature (5.10.3).</summary>
    public ulong Features => 0;

    public IReadOnlyList<ushort> QueueSizes { get; } = [QueueSize, QueueSize, QueueSize];

    /// <summary>Connections there are, for tests and metrics.</summary>
    public int Connections => _multiplexer.Count;

    /// <summary>struct virtio_vsock_config: the guest's identifier, 64 bits of which 32 are used.</summary>
    public void ReadConfig(uint offset, Span<byte> into)
    {
        Span<byte> space = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(space, _guestCid);
        if (offset < space.Length) space[(int)offset..Math.Min(space.Length, (int)offset + into.Length)].CopyTo(into);
    }

    public void WriteConfig(uint offset, ReadOnlySpan<byte> from)
    {
    }

    public void Activate(DeviceActivation activation)
    {
        _activation = activation;
        _timerWatch = activation.Host.Watch(_timer.Descriptor, EpollEvents.Readable, _ => OnTimer());
        _multiplexer.Start(activation.Host, Serve);
        _listener.Start(activation.Host, _multiplexer, Serve);
    }

    public void OnQueueNotified(int queue)
    {
        if (queue == Event) OnEventQueue();
        else Serve();
    }

    public void Reset()
    {
        _listener.Stop();
        _multiplexer.Reset();
        _timerWatch?.Dispose();
        _timer.Disarm();
        (_activation, _timerWatch, _armed, _resetToTell, _told) = (null, null, null, false, null);
    }

    public void Dispose()
    {
        Reset();
        _listener.Dispose();
        _timer.Dispose();
    }

    /// <summary>Packets of the guest, then those for it, which may be answers to them and make room for more of them.</summary>
    private void Serve()
    {
        if (_activation is not { } activation) return;
        var held = !_multiplexer.CanDeliver;
        var more = ServeTransmit(activation.Queues[Transmit]);
        if (ServeReceive(activation.Queues[Receive])) activation.Host.NotifyAgain(Receive);
        if (more || (held && _multiplexer.CanDeliver)) activation.Host.NotifyAgain(Transmit);
        ArmTimer();
    }

    /// <returns>Whether it stopped before the queue was empty.</returns>
    private bool ServeTransmit(Virtqueue queue)
    {
        var left = Share;
        while (left > 0 && _multiplexer.CanDeliver && queue.TryPop(_chain))
        {
            _multiplexer.Deliver(_chain.Readable);
            queue.Push(_chain.Head, 0);
            left--;
        }

        queue.NotifyDriver();
        return left == 0;
    }

    private bool ServeReceive(Virtqueue queue)
    {
        var left = Share;
        while (left > 0 && !ResetPending && _multiplexer.HasPackets && queue.TryPop(_chain))
        {
            if (!TryFill(out var written))
            {
                queue.UndoPop();
                break;
            }

            queue.Push(_chain.Head, written);
            left--;
        }

        queue.NotifyDriver();
        return left == 0;
    }

    /// <summary>The payload first, since only then its length is known for the header before it.</summary>
    /// <returns>False when there is no packet after all.</returns>
    private bool TryFill(out uint written)
    {
        written = 0;
        _head.Clear();
        var room = _chain.Writable;
        if (!room.TryMoveTo(_head, VsockHeader.Bytes))
        {
            Counters.Malformed++; // Too small for any packet; it goes back empty.
            return true;
        }

        if (!_multiplexer.TryTake(room, out var header))
        {
            if (room.Length > 0) return false;
            Counters.Malformed++;
            return true;
        }

        Span<byte> bytes = stackalloc byte[VsockHeader.Bytes];
        header.Write(bytes);
        _head.CopyFrom(0, bytes);
        written = VsockHeader.Bytes + header.Length;
        return true;
    }

    private void OnTimer()
    {
        _timer.Drain();
        _armed = null;
        _multiplexer.Expire();
        Serve();
    }

    /// <summary>Only ever earlier: a deadline that was met lets the timer go off once for nothing.</summary>
    private void ArmTimer()
    {
        if (_multiplexer.Due is not { } due || _armed <= due) return;
        _armed = due;
        _timer.Arm(_time.GetElapsedTime(_time.GetTimestamp(), due));
    }
}

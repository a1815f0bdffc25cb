using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Native.Handles;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;

/// <summary>A connection's two ports, unique among those the guest knows.</summary>
/// <param name="Host">On our side.</param>
/// <param name="Guest">On the guest's.</param>
internal readonly record struct VsockPorts(uint Host, uint Guest);

/// <summary>
/// A stream between a socket of the guest and a Unix socket of the host: takes the guest's packets, makes those for the
/// guest, and moves <see cref="State"/>. It knows neither queues nor event loop: whoever calls it looks afterwards at what
/// it has to say (<see cref="HasControl"/>, <see cref="HasData"/>) and waits for (<see cref="Wanted"/>, <see cref="Deadline"/>).
/// </summary>
/// <remarks>
/// Flow control (virtio 1.2, 5.10.6.3) runs both ways on counters modulo 2^32. Towards the host the guest may have
/// <see cref="Window"/> bytes on the way; what the host's socket does not take waits in a buffer of that size, and credit
/// comes back only as the host takes it. Towards the guest we never send more than it has said it can hold.
/// </remarks>
internal sealed partial class VsockConnection : IDisposable
{
    /// <summary>Credit a guest gets. Two of Linux's largest packets: one can be under way while the other is handed on.</summary>
    public const uint Window = 128 * 1024;

    /// <summary>One packet's most, so that connections take turns; Linux's own bound.</summary>
    public const uint LargestPayload = 64 * 1024;

    /// <summary>
    /// Firecracker's, for the answer to a request and for the RST that confirms a shutdown. A guest has as long to make room for
    /// a request as it then has to answer it.
    /// </summary>
    public static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(2);

    /// <summary>For a host that takes nothing of what a guest that is gone had sent; each byte taken starts it anew.</summary>
    public static readonly TimeSpan DrainTimeout = TimeSpan.FromSeconds(30);

    private readonly FileDescriptor _stream;
    private readonly VsockTransmitBuffer _buffer = new(Window);
    private readonly VsockCounters _counters;
    private readonly TimeProvider _time;

    private VsockConnection(VsockPorts ports, FileDescriptor stream, VsockConnectionState state, VsockCounters counters, TimeProvider time)
    {
        (Ports, _stream, State, _counters, _time) = (ports, stream, state, counters, time);
        (ControlTurn, DataTurn) = (new(this), new(this));
    }

    public VsockPorts Ports { get; }

    public VsockConnectionState State { get; private set; }

    /// <summary>The host's socket.</summary>
    public FileDescriptor Stream => _stream;

    /// <summary>The watch on <see cref="Stream"/> and what it waits for; kept here for who does the watching.</summary>
    public Watch? Watch { get; set; }

    /// <inheritdoc cref="Watch"/>
    public EpollEvents Watched { get; set; }

    /// <summary>Its place in the multiplexer's queue of those with a control packet.</summary>
    public LinkedListNode<VsockConnection> ControlTurn { get; }

    /// <summary>Its place in the multiplexer's queue of those with bytes.</summary>
    public LinkedListNode<VsockConnection> DataTurn { get; }

    /// <summary>When <see cref="OnDeadline"/> is due, as a timestamp of the time provider.</summary>
    public long? Deadline { get; private set; }

    /// <summary>The guest must not use the ports any more, and its packets to them are not this connection's.</summary>
    public bool KnownToGuest { get; private set; } = true;

    /// <summary>
    /// What to wait for on the host's socket. Edges, not levels: bytes may lie there for as long as the guest gives neither
    /// buffers nor credit, and a level would keep the event loop awake all that time.
    /// </summary>
    public EpollEvents Wanted =>
        EpollEvents.Readable | EpollEvents.PeerClosed | EpollEvents.EdgeTriggered | (_buffer.Count > 0 ? EpollEvents.Writable : EpollEvents.None);

    /// <summary>The host has connected and asked for <paramref name="ports"/>; the guest is asked.</summary>
    public static VsockConnection FromHost(VsockPorts ports, FileDescriptor stream, VsockCounters counters, TimeProvider time)
    {
        var connection = new VsockConnection(ports, stream, VsockConnectionState.LocalInit, counters, time) { _pending = Pending.Request };
        connection.Expect(AnswerTimeout);
        return connection;
    }

    /// <summary>The guest has asked by <paramref name="request"/>, and the host's socket is connected.</summary>
    public static VsockConnection FromGuest(in VsockHeader request, FileDescriptor stream, VsockCounters counters, TimeProvider time) =>
        new(new(request.DestinationPort, request.SourcePort), stream, VsockConnectionState.PeerInit, counters, time)
        {
            _pending = Pending.Response,
            _guestBuffer = request.BufferSize,
            _guestForwarded = request.Forwarded,
        };

    /// <summary>Cuts the connection off: what is under way is lost, the guest gets an RST, the host reads its end.</summary>
    public void Kill() => State = Killed();

    /// <summary>What was waited for did not come.</summary>
    public void OnDeadline()
    {
        Deadline = null;
        State = State switch
        {
            VsockConnectionState.LocalInit => GiveUp(),
            VsockConnectionState.Closing => GuestDone(confirm: true),
            VsockConnectionState.Draining => Released(),
            var state => state,
        };
    }

    /// <summary>The guest has forgotten all connections; nothing is said to it.</summary>
    public void Forget() => State = Released();

    public void Dispose()
    {
        Watch?.Dispose();
        _stream.Dispose();
        _buffer.Clear();
    }

    private void Expect(TimeSpan within) => Deadline = _time.GetTimestamp() + (long)(within.TotalSeconds * _time.TimestampFrequency);

    /// <summary>The host asked in vain. A guest that never heard of it needs no RST.</summary>
    private VsockConnectionState GiveUp() => _pending.HasFlag(Pending.Request) ? Released() : Killed();

    private VsockConnectionState Killed()
    {
        if (!KnownToGuest) return Released();
        _counters.Killed++;
        Deadline = null;
        _pending = Pending.Reset;
        Dispose();
        return VsockConnectionState.Killed;
    }

    private VsockConnectionState Released()
    {
        (KnownToGuest, Deadline, _pending) = (false, null, Pending.None);
        return VsockConnectionState.Released;
    }
}

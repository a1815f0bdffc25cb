namespace RunnerVm.Vmm.Monitor.Mmds;

/// <summary>RFC 9293's states, as far as one needs them who never calls anybody.</summary>
internal enum TcpState
{
    SynReceived,
    Established,

    /// <summary>The peer has said its last word, we not yet.</summary>
    CloseWait,

    /// <summary>So have we; its acknowledgement ends it.</summary>
    LastAck,

    /// <summary>We have said our last word, the peer not yet.</summary>
    FinWait,

    /// <summary>Both have; the peer's is still to be acknowledged.</summary>
    TimeWait,

    /// <summary>It takes nothing any more; an RST goes out first.</summary>
    Reset,

    Closed,
}

/// <summary>
/// A connection of the guest to the metadata service: request in, answer out, one after the other. As small as TCP may be:
/// what comes out of order is dropped (the peer sends it again), what is not acknowledged in time is sent again from there.
/// </summary>
/// <param name="answer">From what was received to an answer.</param>
internal sealed partial class TcpConnection(TcpPeer peer, uint initialSequence, MmdsHttp answer, TimeProvider time)
{
    private readonly uint _initial = initialSequence;

    /// <summary>The longest request: line, headers and a body that nobody reads.</summary>
    public const int ReceiveBytes = 4096;

    /// <summary>Ethernet's usual payload without the two headers.</summary>
    public const ushort LargestSegment = 1460;

    /// <summary>A peer in the same machine answers at once or not at all.</summary>
    private static readonly TimeSpan FirstTimeout = TimeSpan.FromMilliseconds(200);

    private static readonly TimeSpan IdleTimeout = TimeSpan.FromSeconds(60);

    private const int MostAttempts = 7; // Together 25 seconds.

    private readonly byte[] _received = new byte[ReceiveBytes];
    private int _receivedCount;
    private byte[] _response = [];
    private uint _responseSequence;
    private uint _next = initialSequence;
    private uint _unacknowledged = initialSequence;
    private uint _expected;
    private uint _window;
    private ushort _segmentSize = TcpSegment.DefaultSegmentSize;
    private bool _owesAcknowledgement;
    private bool _lastAnswer;
    private bool _finSent;
    private int _attempts;

    public TcpState State { get; private set; } = TcpState.SynReceived;

    public TcpPeer Peer { get; } = peer;

    /// <summary>When <see cref="OnTimer"/> is due.</summary>
    public long Due { get; private set; }

    private uint ResponseEnd => _responseSequence + (uint)_response.Length;

    /// <summary>The segment that asks for the connection: a SYN and nothing else.</summary>
    public void Open(in TcpSegment syn)
    {
        _expected = syn.Sequence + 1;
        _window = syn.Window;
        _segmentSize = Math.Clamp(syn.SegmentSize, (ushort)64, LargestSegment);
        _responseSequence = _initial + 1;
        Heard();
    }

    public void Receive(in TcpSegment segment)
    {
        if (State is TcpState.Reset or TcpState.TimeWait or TcpState.Closed) return;
        if (segment.Flags.HasFlag(TcpFlags.Reset))
        {
            // In the window only, else anybody could guess one; here that anybody is the guest itself.
            if (segment.Sequence - _expected <= Room) State = TcpState.Closed;
            return;
        }

        if (segment.Flags.HasFlag(TcpFlags.Syn))
        {
            if (State == TcpState.SynReceived && segment.Sequence + 1 == _expected) _next = _initial; // Our answer was lost.
            else _owesAcknowledgement = true;
            return;
        }

        if (!segment.Flags.HasFlag(TcpFlags.Acknowledge)) return;
        if (!TryAcknowledge(segment)) return;
        Take(segment);
    }

    /// <summary>Again from what is not acknowledged, or the end when that was tried often enough.</summary>
    public void OnTimer()
    {
        if (time.GetTimestamp() < Due) return;
        var waits = _next != _unacknowledged || _unacknowledged != ResponseEnd;
        if (!waits || ++_attempts > MostAttempts)
        {
            State = State is TcpState.Closed or TcpState.SynReceived ? TcpState.Closed : TcpState.Reset;
            return;
        }

        (_next, _finSent) = (_unacknowledged, false);
        Wait(FirstTimeout * (1 << _attempts));
    }

    private uint Room => (uint)(ReceiveBytes - _receivedCount);

    /// <returns>False when the segment speaks of what we never sent; then it is not looked at further.</returns>
    private bool TryAcknowledge(in TcpSegment segment)
    {
        var taken = segment.Acknowledgement - _unacknowledged;
        // What was sent before a timeout may be acknowledged after it, when _next has gone back.
        var most = ResponseEnd - _unacknowledged + (_lastAnswer ? 1u : 0);
        if (State == TcpState.SynReceived) most = 1;
        if (taken > most)
        {
            if (State == TcpState.SynReceived) State = TcpState.Reset;
            else if (taken < 1u << 31) _owesAcknowledgement = true;
            return taken >= 1u << 31 && State != TcpState.Reset; // An old one: its bytes count all the same.
        }

        _window = segment.Window;
        if (taken == 0) return State != TcpState.SynReceived;
        _unacknowledged = segment.Acknowledgement;
        if (_next - _unacknowledged > 1u << 31) _next = _unacknowledged;
        _attempts = 0;
        Heard();
        State = (State, _lastAnswer && _unacknowledged == ResponseEnd + 1) switch
        {
            (TcpState.SynReceived, _) => TcpState.Established,
            (TcpState.LastAck, true) => TcpState.Closed,
            var (state, _) => state,
        };
        return true;
    }

    private void Take(in TcpSegment segment)
    {
        if (segment.Length == 0) return;
        Heard();
        _owesAcknowledgement = true;
        var skip = _expected - segment.Sequence;
        if (skip > segment.Payload.Length) return; // Not the next byte; or all of it was here before.
        var payload = segment.Payload[(int)skip..];
        var fits = (int)Math.Min((uint)payload.Length, Room);
        if (State is TcpState.Established or TcpState.FinWait)
        {
            payload[..fits].CopyTo(_received.AsSpan(_receivedCount));
            _receivedCount += fits;
            _expected += (uint)fits;
            if (segment.Flags.HasFlag(TcpFlags.Fin) && fits == payload.Length) PeerFinished();
        }

        Answer();
    }

    private void PeerFinished()
    {
        _expected++;
        if (State == TcpState.FinWait)
        {
            State = _unacknowledged == ResponseEnd + 1 ? TcpState.TimeWait : TcpState.LastAck;
            return;
        }

        State = TcpState.CloseWait;
    }

    /// <summary>The next answer once the one before has arrived: what waits meanwhile fills the window, and the peer stops.</summary>
    private void Answer()
    {
        if (_lastAnswer || _unacknowledged != ResponseEnd) return;
        if (answer.TryAnswer(_received.AsSpan(0, _receivedCount), out var reply)) Respond(reply);
        else if (State == TcpState.CloseWait) _lastAnswer = true; // Half a request is none.
        if (_lastAnswer && State == TcpState.Established) State = TcpState.FinWait;
        if (_lastAnswer && State == TcpState.CloseWait) State = TcpState.LastAck;
    }

    private void Respond(MmdsReply reply)
    {
        (_response, _responseSequence, _lastAnswer) = (reply.Bytes, _unacknowledged, reply.Last);
        _received.AsSpan(reply.Consumed, _receivedCount - reply.Consumed).CopyTo(_received);
        _receivedCount -= reply.Consumed;
    }

    private void Heard() => Wait(_next == _unacknowledged && _unacknowledged == ResponseEnd ? IdleTimeout : FirstTimeout);

    private void Wait(TimeSpan within)
    {
        Due = time.GetTimestamp() + (long)(within.TotalSeconds * time.TimestampFrequency);
    }
}

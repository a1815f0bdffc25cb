namespace RunnerVm.Vmm.Monitor.Mmds;

/// <summary>The segments of a connection, made when there is room for one.</summary>
internal sealed partial class TcpConnection
{
    /// <summary>The next segment for the peer.</summary>
    public bool TryTake(out TcpSegment segment)
    {
        segment = default;
        switch (State)
        {
            case TcpState.Closed:
                return false;
            case TcpState.Reset:
                State = TcpState.Closed;
                segment = new() { Sequence = _next, Acknowledgement = _expected, Flags = TcpFlags.Reset | TcpFlags.Acknowledge };
                return true;
            case TcpState.TimeWait:
                State = TcpState.Closed;
                segment = Make(_next, TcpFlags.Acknowledge);
                return true;
            case TcpState.SynReceived:
                if (_next != _initial) return false;
                segment = Make(_next, TcpFlags.Syn | TcpFlags.Acknowledge);
                _next++;
                Wait(FirstTimeout * (1 << _attempts));
                return true;
            default:
                Answer();
                return TryTakeData(out segment) || TryTakeAcknowledgement(out segment);
        }
    }

    private bool TryTakeData(out TcpSegment segment)
    {
        segment = default;
        var left = ResponseEnd - _next;
        if (left > (uint)_response.Length) return false; // Our FIN is out already.
        var inFlight = _next - _unacknowledged;
        // A window of zero is asked again with one byte whenever the timer was due (RFC 9293, 3.8.6.1).
        var window = Math.Max(_window, _attempts > 0 ? 1u : 0);
        var count = Math.Min(Math.Min(left, _segmentSize), window > inFlight ? window - inFlight : 0);
        var fin = _lastAnswer && !_finSent && count == left;
        if (count == 0 && !fin) return false;
        var offset = (int)(_next - _responseSequence);
        segment = Make(_next, TcpFlags.Acknowledge | (count > 0 ? TcpFlags.Push : TcpFlags.None) | (fin ? TcpFlags.Fin : TcpFlags.None))
            with { Payload = _response.AsSpan(offset, (int)count) };
        _next += count + (fin ? 1u : 0);
        _finSent |= fin;
        if (inFlight == 0) Wait(FirstTimeout * (1 << _attempts));
        return true;
    }

    private bool TryTakeAcknowledgement(out TcpSegment segment)
    {
        segment = default;
        if (!_owesAcknowledgement) return false;
        segment = Make(_next, TcpFlags.Acknowledge);
        return true;
    }

    private TcpSegment Make(uint sequence, TcpFlags flags)
    {
        _owesAcknowledgement = false;
        return new() { Sequence = sequence, Acknowledgement = _expected, Flags = flags, Window = (ushort)Room };
    }
}

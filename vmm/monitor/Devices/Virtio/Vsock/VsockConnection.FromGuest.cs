using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;

/// <summary>Packets of the guest, and their bytes' way to the host.</summary>
internal sealed partial class VsockConnection
{
    private VsockShutdown _guestSaid;
    private bool _hostGone;
    private uint _received;
    private uint _forwarded;
    private uint _announced;

    /// <summary>A packet to our ports, its header checked as far as it names us.</summary>
    /// <param name="payload">What follows the header; it may be longer than the header says.</param>
    public void OnPacket(in VsockHeader header, GuestBuffers payload)
    {
        (_guestBuffer, _guestForwarded) = (header.BufferSize, header.Forwarded);
        State = State switch
        {
            VsockConnectionState.LocalInit => InLocalInit(header),
            VsockConnectionState.PeerInit => InPeerInit(header),
            VsockConnectionState.Established or VsockConnectionState.OnlyToHost => InEstablished(header, payload),
            VsockConnectionState.OnlyToGuest or VsockConnectionState.Closing => InOnlyToGuest(header),
            VsockConnectionState.Draining or VsockConnectionState.Killed => InEnd(header),
            var state => state,
        };
    }

    /// <summary>Room came free in the host's socket, or it is gone.</summary>
    private VsockConnectionState Flush()
    {
        var flushed = _buffer.FlushTo(_stream);
        if (flushed < 0) return HostGone();
        _forwarded += (uint)flushed;
        _counters.TransmittedBytes += flushed;
        if (flushed > 0 && State == VsockConnectionState.Draining) Expect(DrainTimeout);
        if (_buffer.Count == 0) return Drained();
        AnnounceForwarded();
        return State;
    }

    private VsockConnectionState InLocalInit(in VsockHeader header)
    {
        switch (header.Operation)
        {
            case VsockOperation.Response:
                Deadline = null;
                return AnswerHost() ? VsockConnectionState.Established : Killed();
            case VsockOperation.Reset:
                return Released(); // Nobody listens there: the host reads the end instead of an OK.
            case VsockOperation.CreditUpdate:
                return State;
            default:
                return Killed();
        }
    }

    private VsockConnectionState InPeerInit(in VsockHeader header) => header.Operation switch
    {
        VsockOperation.Reset => Released(),
        VsockOperation.Shutdown when header.Shutdown.HasFlag(VsockShutdown.Both) => GuestDone(confirm: true),
        VsockOperation.CreditUpdate => State,
        VsockOperation.CreditRequest => AnswerCreditRequest(),
        _ => Killed(),
    };

    private VsockConnectionState InEstablished(in VsockHeader header, GuestBuffers payload) => header.Operation switch
    {
        VsockOperation.ReadWrite => Accept(header.Length, payload),
        _ => InAnyOpen(header),
    };

    /// <summary>Also while closing. Bytes that were under way when the host went are dropped; bytes after the guest's own last word are not forgiven.</summary>
    private VsockConnectionState InOnlyToGuest(in VsockHeader header)
    {
        if (header.Operation != VsockOperation.ReadWrite) return InAnyOpen(header);
        return _guestSaid.HasFlag(VsockShutdown.Send) ? Killed() : State;
    }

    private VsockConnectionState InAnyOpen(in VsockHeader header) => header.Operation switch
    {
        VsockOperation.Shutdown => OnShutdown(header.Shutdown),
        VsockOperation.Reset => GuestDone(confirm: false),
        VsockOperation.CreditUpdate => State,
        VsockOperation.CreditRequest => AnswerCreditRequest(),
        _ => Killed(),
    };

    /// <summary>The RST we owe goes out; one that comes first makes it needless.</summary>
    private VsockConnectionState InEnd(in VsockHeader header)
    {
        if (header.Operation != VsockOperation.Reset) return State;
        (KnownToGuest, _pending) = (false, Pending.None);
        return State == VsockConnectionState.Killed ? Released() : State;
    }

    private VsockConnectionState AnswerCreditRequest()
    {
        _pending |= Pending.CreditUpdate;
        return State;
    }

    /// <summary>From the guest's buffers into the socket; into ours what it does not take. Never more than the credit given.</summary>
    private VsockConnectionState Accept(uint length, GuestBuffers payload)
    {
        if (length > payload.Length || length > Window || _received - _announced > Window - length) return Killed();
        payload.Truncate(length);
        _received += length;
        if (_buffer.Count == 0)
        {
            var written = payload.WriteTo(_stream);
            if (written == -LibC.EAGAIN) written = 0;
            if (written < 0) return HostGone();
            payload.TrySkip((uint)written);
            _forwarded += (uint)written;
            _counters.TransmittedBytes += written;
        }

        _buffer.Append(payload);
        AnnounceForwarded();
        return State;
    }

    /// <summary>Credit is returned by the half window, not by the packet; the guest can always send meanwhile.</summary>
    private void AnnounceForwarded()
    {
        if (_forwarded - _announced >= Window / 2 && State is not (VsockConnectionState.Draining or VsockConnectionState.Killed))
            _pending |= Pending.CreditUpdate;
    }

    private VsockConnectionState OnShutdown(VsockShutdown flags)
    {
        _guestSaid |= flags & VsockShutdown.Both;
        if (_guestSaid == VsockShutdown.Both) return GuestDone(confirm: true);
        if (_guestSaid == VsockShutdown.Receive)
        {
            UnixSocket.RefuseMore(_stream);
            return ToGuestEnded();
        }

        if (_guestSaid != VsockShutdown.Send) return State;
        if (_buffer.Count == 0) UnixSocket.FinishSending(_stream);
        return ToHostEnded();
    }

    /// <summary>The guest neither sends nor receives any more. What it had sent still reaches the host, who may be slow.</summary>
    private VsockConnectionState GuestDone(bool confirm)
    {
        (KnownToGuest, _pending, Deadline) = (confirm, confirm ? Pending.Reset : Pending.None, null);
        if (_buffer.Count > 0) Expect(DrainTimeout);
        else if (!confirm) return Released();
        else FinishStream();
        return VsockConnectionState.Draining;
    }

    /// <summary>All the guest sent has been handed on.</summary>
    private VsockConnectionState Drained()
    {
        AnnounceForwarded();
        if (State == VsockConnectionState.Draining)
        {
            Deadline = null;
            if (!KnownToGuest) return Released();
            FinishStream();
        }
        else if (_guestSaid.HasFlag(VsockShutdown.Send))
        {
            UnixSocket.FinishSending(_stream);
        }

        return State;
    }

    /// <summary>The host hears of the end now, not once the guest has taken the RST.</summary>
    private void FinishStream()
    {
        UnixSocket.FinishSending(_stream);
        UnixSocket.RefuseMore(_stream);
    }

    /// <summary>No byte of the guest can reach the host any more; the guest may go on receiving what the host had sent.</summary>
    private VsockConnectionState HostGone()
    {
        _hostGone = true;
        _buffer.Clear();
        _forwarded = _received;
        switch (State)
        {
            case VsockConnectionState.LocalInit:
                return GiveUp();
            case VsockConnectionState.Established or VsockConnectionState.OnlyToHost:
                Say(VsockShutdown.Receive);
                return ToHostEnded();
            case VsockConnectionState.Draining when !KnownToGuest:
                return Released();
            default:
                Deadline = State == VsockConnectionState.Draining ? null : Deadline;
                return State;
        }
    }

    private VsockConnectionState ToHostEnded() => State switch
    {
        VsockConnectionState.Established => VsockConnectionState.OnlyToGuest,
        VsockConnectionState.OnlyToHost => Closing(),
        var state => state,
    };

    private VsockConnectionState ToGuestEnded() => State switch
    {
        VsockConnectionState.Established => VsockConnectionState.OnlyToHost,
        VsockConnectionState.OnlyToGuest => Closing(),
        var state => state,
    };

    private VsockConnectionState Closing()
    {
        Say(VsockShutdown.Both);
        Expect(AnswerTimeout);
        return VsockConnectionState.Closing;
    }
}

using System.Globalization;
using System.Text;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;

/// <summary>The host's bytes, and the packets for the guest.</summary>
internal sealed partial class VsockConnection
{
    private Pending _pending;
    private VsockShutdown _said;
    private bool _readable;
    private bool _waitsForCredit;
    private uint _guestBuffer;
    private uint _guestForwarded;
    private uint _sent;

    /// <summary>A control packet has to go; it needs no room and no credit.</summary>
    public bool HasControl => _pending != Pending.None;

    /// <summary>The host has sent something, or its last; whether the guest has credit for it as well.</summary>
    public bool HasData => _readable && State is VsockConnectionState.Established or VsockConnectionState.OnlyToGuest
        && (!_waitsForCredit || Credit > 0);

    /// <summary>How much the guest can hold. Nonsense in its counters is no credit, and its own loss.</summary>
    private uint Credit
    {
        get
        {
            var under = _sent - _guestForwarded;
            return under < _guestBuffer ? _guestBuffer - under : 0;
        }
    }

    /// <summary>Something happened to the host's socket.</summary>
    public void OnHostReady(EpollEvents events)
    {
        if (State is VsockConnectionState.Killed or VsockConnectionState.Released) return;
        if ((events & (EpollEvents.Readable | EpollEvents.PeerClosed | EpollEvents.HungUp | EpollEvents.Error)) != 0) _readable = true;
        if ((events & (EpollEvents.HungUp | EpollEvents.Error)) != 0 && !_hostGone) State = HostGone();
        else if ((events & EpollEvents.Writable) != 0 && _buffer.Count > 0) State = Flush();
    }

    /// <summary>The control packet that is most urgent. None is ever dropped for want of room: they are flags, not a queue.</summary>
    public bool TryControl(ref VsockHeader header)
    {
        var next = _pending & (Pending)(-(int)_pending); // The lowest bit: they are in the order in which they must go.
        if (next == Pending.None) return false;
        _pending &= ~next;
        Address(ref header);
        header.Operation = next switch
        {
            Pending.Reset => VsockOperation.Reset,
            Pending.Request => VsockOperation.Request,
            Pending.Response => VsockOperation.Response,
            Pending.Shutdown => VsockOperation.Shutdown,
            Pending.CreditRequest => VsockOperation.CreditRequest,
            _ => VsockOperation.CreditUpdate,
        };
        if (next == Pending.Request) Expect(AnswerTimeout); // Anew: until now the guest could not know.
        if (next == Pending.Shutdown) header.Shutdown = _said;
        if (next == Pending.Response) State = Responded();
        if (next == Pending.Reset) State = ResetSent();
        return true;
    }

    /// <summary>Bytes from the host's socket straight into the guest's <paramref name="room"/>, which is not empty.</summary>
    /// <returns>False when there was nothing, or no credit for it; <see cref="HasControl"/> may have become true.</returns>
    public bool TryData(ref VsockHeader header, GuestBuffers room)
    {
        if (!HasData) return false;
        _waitsForCredit = Credit == 0;
        if (_waitsForCredit)
        {
            _pending |= Pending.CreditRequest;
            return false;
        }

        var count = room.ReadFrom(_stream, Math.Min(Credit, LargestPayload));
        if (count > 0)
        {
            _sent += (uint)count;
            _counters.ReceivedBytes += count;
            Address(ref header);
            (header.Operation, header.Length) = (VsockOperation.ReadWrite, (uint)count);
            return true;
        }

        if (count == -LibC.EAGAIN) _readable = false;
        else State = count == 0 ? HostFinished() : ReadFailed(-count);
        return false;
    }

    private VsockConnectionState HostFinished()
    {
        _readable = false;
        Say(_hostGone ? VsockShutdown.Both : VsockShutdown.Send);
        return ToGuestEnded();
    }

    /// <summary>ECONNRESET says that the host left without reading all: the guest hears it by RST, as over TCP.</summary>
    private VsockConnectionState ReadFailed(long errno)
    {
        if (errno != LibC.ECONNRESET) _counters.ReadFailures++;
        return Killed();
    }

    private VsockConnectionState Responded()
    {
        if (!_hostGone) return VsockConnectionState.Established;
        Say(VsockShutdown.Receive);
        return VsockConnectionState.OnlyToGuest;
    }

    /// <summary>The guest may use the ports again.</summary>
    private VsockConnectionState ResetSent()
    {
        KnownToGuest = false;
        return State == VsockConnectionState.Draining && _buffer.Count > 0 ? State : Released();
    }

    /// <summary>Firecracker's answer to CONNECT. A socket that has carried nothing yet takes a line, or its host is gone.</summary>
    private bool AnswerHost()
    {
        Span<byte> line = stackalloc byte[16];
        Encoding.ASCII.TryGetBytes(string.Create(CultureInfo.InvariantCulture, $"OK {Ports.Host}\n"), line, out var length);
        return UnixSocket.Write(_stream, line[..length]) == length;
    }

    private void Say(VsockShutdown flags)
    {
        if ((_said | flags) == _said) return;
        _said |= flags;
        _pending |= Pending.Shutdown;
    }

    /// <summary>Every packet carries the credit the guest has by now.</summary>
    private void Address(ref VsockHeader header)
    {
        (header.SourcePort, header.DestinationPort) = (Ports.Host, Ports.Guest);
        (header.BufferSize, header.Forwarded) = (Window, _forwarded);
        _announced = _forwarded;
    }

    /// <summary>Control packets that are due, the lowest bit first.</summary>
    [Flags]
    private enum Pending
    {
        None = 0,
        Reset = 1,
        Request = 2,
        Response = 4,
        Shutdown = 8,
        CreditRequest = 16,
        CreditUpdate = 32,
    }
}

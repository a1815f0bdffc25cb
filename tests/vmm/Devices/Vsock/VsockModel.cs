using RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;
using RunnerVm.Vmm.Native.Handles;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Vsock;

/// <summary>
/// What a guest that keeps the rules and the programs at both ends know of one connection, and what must be true of it:
/// bytes arrive whole and in order, neither side gets more than it gave credit for, and each end is heard of.
/// </summary>
internal sealed class VsockModel(VsockPorts ports, FileDescriptor host, uint guestBuffer)
{
    private uint _sent, _deviceBuffer, _deviceForwarded; // towards the host
    private uint _hostRead;
    private uint _hostWrote;
    private uint _received, _consumed; // towards the guest
    private VsockShutdown _guestSaid, _deviceSaid;
    private bool _hostFinished, _hostSawEnd, _abandoned;

    public VsockPorts Ports => ports;

    /// <summary>The guest's socket exists: neither side has reset it.</summary>
    public bool Open { get; private set; } = true;

    public bool HostOpen { get; private set; } = true;

    /// <summary>The host's program went and had not read everything: the guest should know that it was in vain.</summary>
    public bool HostLeftBytes => !HostOpen && _hostRead != _sent;

    public uint BytesChecked => _hostRead + _received;

    public void OnPacket(VsockGuest guest, VsockPacket packet)
    {
        (_deviceBuffer, _deviceForwarded) = (packet.Header.BufferSize, packet.Header.Forwarded);
        Assert.True(_sent - _deviceForwarded <= _sent, "more forwarded than sent");
        switch (packet.Operation)
        {
            case VsockOperation.ReadWrite:
                Assert.True(packet.Payload.AsSpan().SequenceEqual(TestBytes.Of(_received, packet.Payload.Length)), "other bytes than the host wrote");
                _received += (uint)packet.Payload.Length;
                Assert.True(_received - _consumed <= guestBuffer, "more than the guest has credit for");
                Assert.False(_deviceSaid.HasFlag(VsockShutdown.Send), "bytes after the last word");
                break;
            case VsockOperation.Shutdown:
                _deviceSaid |= packet.Header.Shutdown;
                if (_deviceSaid == VsockShutdown.Both) End(guest, VsockOperation.Reset);
                break;
            case VsockOperation.CreditRequest:
                Tell(guest, VsockOperation.CreditUpdate);
                break;
            case VsockOperation.Reset:
                // For nothing else do we reset a guest that keeps the rules.
                Assert.True(_guestSaid == VsockShutdown.Both || HostLeftBytes, "an RST for nothing");
                (Open, _abandoned) = (false, _abandoned || HostLeftBytes);
                break;
            default:
                Assert.Equal(VsockOperation.CreditUpdate, packet.Operation);
                break;
        }
    }

    public void GuestSends(VsockGuest guest, int count)
    {
        if (!Open || _guestSaid.HasFlag(VsockShutdown.Send) || _deviceSaid.HasFlag(VsockShutdown.Receive)) return;
        var credit = _deviceBuffer - (_sent - _deviceForwarded);
        count = (int)Math.Min((uint)count, credit);
        var header = Header(VsockOperation.ReadWrite) with { Length = (uint)count };
        Assert.True(guest.Send(header, TestBytes.Of(_sent, count)));
        _sent += (uint)count;
    }

    public void GuestConsumes(VsockGuest guest, int count)
    {
        _consumed += Math.Min((uint)count, _received - _consumed);
        if (Open) Tell(guest, VsockOperation.CreditUpdate);
    }

    public void GuestAsksForCredit(VsockGuest guest)
    {
        if (Open) Tell(guest, VsockOperation.CreditRequest);
    }

    public void GuestShutsDown(VsockGuest guest, VsockShutdown flags)
    {
        if (!Open || (_guestSaid | flags) == _guestSaid) return;
        _guestSaid |= flags;
        Assert.True(guest.Send(Header(VsockOperation.Shutdown) with { Shutdown = _guestSaid }));
    }

    public void GuestResets(VsockGuest guest)
    {
        if (!Open) return;
        _abandoned = true;
        End(guest, VsockOperation.Reset);
    }

    public void HostReads(int count)
    {
        if (!HostOpen) return;
        var bytes = new byte[count];
        var read = UnixSocket.Read(host, bytes);
        if (read > 0)
        {
            Assert.True(bytes.AsSpan(0, (int)read).SequenceEqual(TestBytes.Of(_hostRead, (int)read)), "other bytes than the guest sent");
            _hostRead += (uint)read;
        }
        else if (read == 0 && !_hostSawEnd)
        {
            _hostSawEnd = true;
            Assert.True(!Open || _guestSaid != VsockShutdown.None, "an end nobody has said");
            Assert.Equal(_sent, _hostRead);
        }
    }

    public void HostWrites(int count)
    {
        if (!HostOpen || _hostFinished) return;
        _hostWrote += (uint)Math.Max(0, UnixSocket.Write(host, TestBytes.Of(_hostWrote, count)));
    }

    public void HostFinishes()
    {
        if (!HostOpen) return;
        _hostFinished = true;
        UnixSocket.FinishSending(host);
    }

    public void HostCloses()
    {
        HostOpen = false;
        _hostFinished = true;
        host.Dispose();
    }

    /// <summary>Everything was delivered that had somebody to take it.</summary>
    public void AssertComplete()
    {
        if (HostOpen) Assert.Equal((_sent, true), (_hostRead, _hostSawEnd || Open));
        if (!_abandoned && !_guestSaid.HasFlag(VsockShutdown.Receive) && _deviceSaid.HasFlag(VsockShutdown.Send))
            Assert.Equal(_hostWrote, _received);
    }

    private void End(VsockGuest guest, VsockOperation operation)
    {
        Open = false;
        Assert.True(guest.Send(Header(operation)));
    }

    private void Tell(VsockGuest guest, VsockOperation operation) => Assert.True(guest.Send(Header(operation)));

    private VsockHeader Header(VsockOperation operation) =>
        VsockGuest.Header(operation, ports) with { BufferSize = guestBuffer, Forwarded = _consumed };
}

using System.Buffers.Binary;
using RunnerVm.Vmm.Monitor.Snapshots;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;

/// <summary>
/// No connection outlives its machine. A guest that wakes up in another place is told so (5.10.6.7), and nobody of the new
/// place is let in before it has understood: what it still says on a connection it believes in could be taken for another's.
/// What it had queued comes even later, so the ports of the host that it knew are not given away again.
/// </summary>
internal sealed partial class VsockDevice
{
    private const uint TransportReset = 0; // VIRTIO_VSOCK_EVENT_TRANSPORT_RESET

    /// <summary>The guest is to be told and has given no buffer for it yet.</summary>
    private bool _resetToTell;

    /// <summary>How many event buffers the guest had given when it was told: with the next one it says that it has understood.</summary>
    private ushort? _told;

    private bool ResetPending => _resetToTell || _told is not null;

    /// <summary>Version 1 held nothing.</summary>
    public byte SnapshotVersion => 2;

    public void Save(StateWriter into) => into.Number(_multiplexer.NextHostPort);

    public void Restore(ref StateReader from)
    {
        if (from.Left > 0) _multiplexer.NextHostPort = from.Number("vsock's next port", VsockMultiplexer.FirstHostPort, VsockMultiplexer.LastHostPort);
        if (_activation is not null) ResetTransport();
    }

    /// <summary>
    /// The guest's connections are gone, and it is told so by an event, after which it reads its identifier again. Listening
    /// sockets of the guest stay. Who connects to them meanwhile waits in the backlog.
    /// </summary>
    public void ResetTransport()
    {
        _listener.Stop();
        _multiplexer.Reset();
        (_resetToTell, _told) = (true, null);
        TellReset();
    }

    private void OnEventQueue()
    {
        if (_told is { } given && _activation!.Queues[Event].Made != given)
        {
            _told = null;
            Serve(); // The guest's older packets first, while there is no connection they could be for.
            _listener.Start(_activation.Host, _multiplexer, Serve);
        }

        TellReset();
    }

    private void TellReset()
    {
        if (!_resetToTell || _activation is not { } activation || !activation.Queues[Event].TryPop(_chain)) return;
        var queue = activation.Queues[Event];
        (_resetToTell, _told) = (false, queue.AwaitNext());
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, TransportReset);
        queue.Push(_chain.Head, (uint)_chain.Writable.CopyFrom(0, bytes));
        queue.NotifyDriver();
    }
}

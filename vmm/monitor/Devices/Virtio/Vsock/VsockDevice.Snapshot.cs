using System.Buffers.Binary;
using RunnerVm.Vmm.Monitor.Snapshots;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;

/// <summary>
/// No connection outlives its machine. A guest that wakes up in another place is told so (5.10.6.7), and nothing of the new
/// place reaches it before it has understood: a request for a port could meet a connection it still believes in.
/// </summary>
internal sealed partial class VsockDevice
{
    private const uint TransportReset = 0; // VIRTIO_VSOCK_EVENT_TRANSPORT_RESET

    /// <summary>The guest is to be told and has given no buffer for it yet.</summary>
    private bool _resetToTell;

    /// <summary>How many event buffers the guest had given when it was told: with the next one it says that it has understood.</summary>
    private ushort? _told;

    private bool ResetPending => _resetToTell || _told is not null;

    public void Save(StateWriter into)
    {
    }

    public void Restore(ref StateReader from)
    {
        if (_activation is not null) ResetTransport();
    }

    /// <summary>
    /// The guest's connections are gone, and it is told so by an event, after which it reads its identifier again. Listening
    /// sockets of the guest stay.
    /// </summary>
    public void ResetTransport()
    {
        _multiplexer.Reset();
        (_resetToTell, _told) = (true, null);
        TellReset();
    }

    private void OnEventQueue()
    {
        if (_told is { } given && _activation!.Queues[Event].Made != given)
        {
            _told = null;
            Serve();
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

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;

/// <summary>Where a connection is in its life.</summary>
/// <remarks>
/// <code>
/// LocalInit ──RESPONSE──┐             ┌── OnlyToGuest ──┐
///                       ├─ Established┤                 ├── Closing ──RST or 2 s──┐
/// PeerInit ──RESPONSE───┘   sent      └── OnlyToHost ───┘                         ├── Released
///     any of them, the guest is done with it: SHUTDOWN of both or RST ── Draining ┤
///     any of them, somebody broke the rules or the time is up: Killed ──RST───────┘
/// </code>
/// </remarks>
internal enum VsockConnectionState
{
    /// <summary>The host asked; the guest has not answered yet.</summary>
    LocalInit,

    /// <summary>The guest asked; it has not heard yet that the host accepted.</summary>
    PeerInit,

    /// <summary>Bytes go both ways.</summary>
    Established,

    /// <summary>The guest will say no more, or nobody is there to hear it.</summary>
    OnlyToGuest,

    /// <summary>The host will say no more, or the guest does not want to hear it.</summary>
    OnlyToHost,

    /// <summary>Nothing goes any way; the guest was told and has to confirm by RST (virtio 1.2, 5.10.6.6).</summary>
    Closing,

    /// <summary>The guest is done with it; the host has yet to take what the guest had sent.</summary>
    Draining,

    /// <summary>Cut off; the guest is to be told by RST.</summary>
    Killed,

    /// <summary>Nothing is left to do.</summary>
    Released,
}

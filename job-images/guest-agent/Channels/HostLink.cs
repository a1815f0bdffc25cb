using RunnerVm.GuestAgent.Boot;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Channels;

/// <summary>The way to the host, which in a restored copy of this machine is another host than before.</summary>
internal sealed class HostLink(DescriptorStream stream, GuestConnection connection)
{
    public GuestConnection Connection => connection;

    /// <summary>
    /// Whether another host may take the place of this one: by a hello in the middle of the stream where that outlives a
    /// snapshot (virtio-serial), or behind a new connection where it does not (vsock).
    /// </summary>
    public bool MayBeginAfresh
    {
        get => connection.MayBeginAfresh;
        set => connection.MayBeginAfresh = stream.MayReconnect = value;
    }
}

using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;

/// <summary>
/// All connections of a guest: hands its packets to the one they are for, and takes packets for the guest from each in turn.
/// A packet that belongs to none is answered with an RST (virtio 1.2, 5.10.6.4).
/// </summary>
/// <param name="connect">A socket connected to who listens on the host for a guest's connection to this port, or null.</param>
internal sealed class VsockMultiplexer(uint guestCid, Func<uint, FileDescriptor?> connect, VsockCounters counters, TimeProvider time)
{
    /// <summary>Firecracker's.</summary>
    public const int MostConnections = 1023;

    /// <summary>RSTs that wait for room. At that number no packet of the guest is taken until it makes room for some.</summary>
    public const int MostResets = 256;

    /// <summary>Host ports of connections from the host begin here, as Firecracker's do; those of a guest's choice are usually lower.</summary>
    public const uint FirstHostPort = 1u << 30;

    /// <summary>After it they begin anew.</summary>
    public const uint LastHostPort = (1u << 31) - 1;

    private readonly Dictionary<VsockPorts, VsockConnection> _known = new(MostConnections);
    private readonly HashSet<VsockConnection> _connections = new(MostConnections);
    private readonly LinkedList<VsockConnection> _control = new();
    private readonly LinkedList<VsockConnection> _data = new();
    private readonly Queue<(VsockPorts Ports, ushort Type)> _resets = new(MostResets);
    private IDeviceHost? _host;

    /// <summary>Our port of the next connection from the host; one that is taken is passed over.</summary>
    public uint NextHostPort { get; set; } = FirstHostPort;

    /// <summary>Those that only wait for their host to take the last bytes included.</summary>
    public int Count => _connections.Count;

    /// <summary>The guest may be asked for its next packet.</summary>
    public bool CanDeliver => _resets.Count < MostResets;

    /// <summary>There is something for the guest, if it has credit for it.</summary>
    public bool HasPackets => _resets.Count > 0 || _control.First is not null || _data.First is not null;

    /// <summary>When <see cref="Expire"/> is to be called, as a timestamp of the time provider; possibly too early.</summary>
    public long? Due { get; private set; }

    /// <summary>The guest's driver is ready; connections may come.</summary>
    /// <param name="host">Watches the host's sockets.</param>
    /// <param name="changed">Called on the loop after one of them had news.</param>
    public void Start(IDeviceHost host, Action changed) => (_host, _changed) = (host, changed);

    private Action _changed = static () => { };

    /// <summary>The guest knows of no connection any more: all are dropped.</summary>
    public void Reset()
    {
        foreach (var connection in _connections)
        {
            connection.Forget();
            Settle(connection);
        }

        _resets.Clear();
        Due = null;
    }

    /// <summary>A packet of the guest, whole.</summary>
    public void Deliver(GuestBuffers packet)
    {
        counters.TransmittedPackets++;
        Span<byte> bytes = stackalloc byte[VsockHeader.Bytes];
        packet.CopyTo(0, bytes);
        if (!packet.TrySkip(VsockHeader.Bytes))
        {
            counters.Malformed++;
            return;
        }

        var header = VsockHeader.Read(bytes);
        if (header.SourceCid != guestCid || header.DestinationCid != VsockHeader.HostCid)
        {
            counters.Malformed++;
            return;
        }

        var ports = new VsockPorts(header.DestinationPort, header.SourcePort);
        if (header.Type == VsockHeader.Stream && _known.TryGetValue(ports, out var connection))
        {
            connection.OnPacket(header, packet);
            Settle(connection);
        }
        else if (header.Type == VsockHeader.Stream && header.Operation == VsockOperation.Request)
        {
            OpenFromGuest(header, ports);
        }
        else if (header.Operation != VsockOperation.Reset)
        {
            _resets.Enqueue((ports, header.Type));
        }
    }

    /// <summary>The host wants to connect to the guest's <paramref name="port"/>; the socket is taken over.</summary>
    public void OpenFromHost(uint port, FileDescriptor stream)
    {
        if (IsFull(stream)) return;
        VsockPorts ports;
        do
        {
            ports = new(NextHostPort, port);
            NextHostPort = NextHostPort == LastHostPort ? FirstHostPort : NextHostPort + 1;
        }
        while (_known.ContainsKey(ports)); // Fewer than 1023 can be taken.

        Add(VsockConnection.FromHost(ports, stream, counters, time));
    }

    /// <summary>The next packet for the guest, its payload already in <paramref name="room"/>.</summary>
    /// <returns>False when there is none, or only bytes and no room for any.</returns>
    public bool TryTake(GuestBuffers room, out VsockHeader header)
    {
        header = new() { SourceCid = VsockHeader.HostCid, DestinationCid = guestCid, Type = VsockHeader.Stream };
        var taken = TryTakeReset(ref header) || TryTakeFromConnection(ref header, room);
        if (taken) counters.ReceivedPackets++;
        return taken;
    }

    /// <summary>Ends what took too long.</summary>
    public void Expire()
    {
        var now = time.GetTimestamp();
        Due = null;
        foreach (var connection in _connections)
        {
            if (connection.Deadline <= now) connection.OnDeadline();
            Settle(connection);
        }
    }

    private void OpenFromGuest(in VsockHeader request, VsockPorts ports)
    {
        if (connect(ports.Host) is not { } stream || IsFull(stream)) _resets.Enqueue((ports, VsockHeader.Stream));
        else Add(VsockConnection.FromGuest(request, stream, counters, time));
    }

    private bool IsFull(FileDescriptor stream)
    {
        if (_connections.Count < MostConnections) return false;
        counters.Refused++;
        stream.Dispose();
        return true;
    }

    private void Add(VsockConnection connection)
    {
        counters.Added++;
        _known.Add(connection.Ports, connection);
        _connections.Add(connection);
        connection.Watched = connection.Wanted;
        connection.Watch = _host!.Watch(connection.Stream, connection.Watched, events =>
        {
            connection.OnHostReady(events);
            Settle(connection);
            _changed();
        });
        Settle(connection);
    }

    private bool TryTakeReset(ref VsockHeader header)
    {
        if (!_resets.TryDequeue(out var reset)) return false;
        (header.SourcePort, header.DestinationPort) = (reset.Ports.Host, reset.Ports.Guest);
        (header.Operation, header.Type) = (VsockOperation.Reset, reset.Type);
        return true;
    }

    /// <summary>Control packets go first: they are few, and bytes of others must not hold them up.</summary>
    private bool TryTakeFromConnection(ref VsockHeader header, GuestBuffers room)
    {
        while (true)
        {
            var data = false;
            if (_control.First is not { } turn)
            {
                if (_data.First is not { } next || room.Length == 0) return false;
                (turn, data) = (next, true);
            }

            // Out of the queue first: Settle puts it in again, behind all others, if there is more.
            turn.List!.Remove(turn);
            var connection = turn.Value;
            var taken = data ? connection.TryData(ref header, room) : connection.TryControl(ref header);
            Settle(connection);
            if (taken) return true;
        }
    }

    /// <summary>After everything that happens to a connection: queues it, watches for it, or lets it go.</summary>
    private void Settle(VsockConnection connection)
    {
        if (!connection.KnownToGuest && _known.TryGetValue(connection.Ports, out var known) && known == connection)
            _known.Remove(connection.Ports);
        Queue(_control, connection.ControlTurn, connection.HasControl);
        Queue(_data, connection.DataTurn, connection.HasData);
        if (connection.State == VsockConnectionState.Released)
        {
            if (!_connections.Remove(connection)) return;
            counters.Removed++;
            connection.Dispose();
            return;
        }

        if (connection.Deadline is { } deadline && !(Due <= deadline)) Due = deadline;
        if (connection.State == VsockConnectionState.Killed || connection.Watched == connection.Wanted) return;
        connection.Watched = connection.Wanted;
        connection.Watch!.Change(connection.Watched);
    }

    private static void Queue(LinkedList<VsockConnection> queue, LinkedListNode<VsockConnection> turn, bool waits)
    {
        if (waits == (turn.List is not null)) return;
        if (waits) queue.AddLast(turn);
        else queue.Remove(turn);
    }
}

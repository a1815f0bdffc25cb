using RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;
using RunnerVm.Vmm.Native.Handles;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Vsock;

/// <summary>A packet as the guest's driver sees it.</summary>
internal sealed record VsockPacket(VsockHeader Header, byte[] Payload)
{
    public VsockOperation Operation => Header.Operation;

    public VsockPorts Ports => new(Header.SourcePort, Header.DestinationPort);
}

/// <summary>A guest's vsock driver on a device in a folder of its own, and the host's sockets beside it.</summary>
internal sealed class VsockGuest : IDisposable
{
    public const uint Cid = 3;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vsock-");
    private readonly Dictionary<ushort, GuestBuffer> _posted = [];
    private readonly Stack<GuestBuffer> _room = new();
    private readonly Queue<VsockPacket> _received = new();
    private readonly GuestBuffer _packet;
    private bool _packetOut;

    public VsockGuest(TimeProvider? time = null, bool start = true)
    {
        Device = new(new() { GuestCid = Cid, UdsPath = Path }, time);
        Driver = new(Device);
        _packet = Driver.Reserve(VsockHeader.Bytes + (256 * 1024)) with { Writable = false };
        for (var i = 0; i < 128; i++) _room.Push(Driver.Reserve(4096));
        if (start) Driver.SetUp();
    }

    public VsockDevice Device { get; }

    public VirtioDriver Driver { get; }

    public string Path => System.IO.Path.Combine(_folder.FullName, "v.sock");

    private VirtqueueDriver ReceiveQueue => Driver.Queues[0];

    private VirtqueueDriver TransmitQueue => Driver.Queues[1];

    /// <summary>How many more buffers can be posted.</summary>
    public int Room => _room.Count;

    /// <summary>Gives the device buffers for packets.</summary>
    public VsockGuest Post(int count = 1, uint length = 4096)
    {
        for (var i = 0; i < count; i++)
        {
            var whole = _room.Pop();
            _posted.Add(ReceiveQueue.Add(whole with { Length = length }), whole);
        }

        ReceiveQueue.Kick();
        Pump();
        return this;
    }

    /// <summary>Sends a packet; false when the device does not take it now. Then it must not send another.</summary>
    public bool Send(VsockHeader header, params ReadOnlySpan<byte> payload)
    {
        Assert.False(_packetOut);
        var bytes = new byte[VsockHeader.Bytes + payload.Length];
        header.Write(bytes);
        payload.CopyTo(bytes.AsSpan(VsockHeader.Bytes));
        return SendRaw(bytes);
    }

    public bool SendRaw(params ReadOnlySpan<byte> bytes)
    {
        Driver.Memory.Write(_packet.Address, bytes);
        // In pieces that cut the header, as a hostile or odd driver may.
        var cut = (uint)Math.Min(7, bytes.Length);
        if (bytes.Length > cut) TransmitQueue.Add(_packet.Slice(0, cut), _packet.Slice(cut, (uint)bytes.Length - cut));
        else TransmitQueue.Add(_packet.Slice(0, cut));
        TransmitQueue.Kick();
        _packetOut = true;
        Pump();
        return !_packetOut;
    }

    public static VsockHeader Header(VsockOperation operation, VsockPorts ports, VsockShutdown shutdown = VsockShutdown.None, uint length = 0) => new()
    {
        SourceCid = Cid,
        DestinationCid = VsockHeader.HostCid,
        SourcePort = ports.Guest,
        DestinationPort = ports.Host,
        Type = VsockHeader.Stream,
        Operation = operation,
        Shutdown = shutdown,
        Length = length,
        BufferSize = 65536,
    };

    public bool Send(VsockOperation operation, VsockPorts ports, VsockShutdown shutdown = VsockShutdown.None) =>
        Send(Header(operation, ports, shutdown));

    public bool SendBytes(VsockPorts ports, params ReadOnlySpan<byte> payload) =>
        Send(Header(VsockOperation.ReadWrite, ports, length: (uint)payload.Length), payload);

    /// <summary>Runs the loop and collects what came back.</summary>
    public void Pump()
    {
        Driver.Pump();
        Assert.Empty(Driver.Problems);
        if (Driver.Queues.Count == 0) return;
        while (TransmitQueue.TryCollect(out _, out _)) _packetOut = false;
        while (ReceiveQueue.TryCollect(out var head, out var written))
        {
            _posted.Remove(head, out var room);
            _room.Push(room);
            if (written == 0) continue;
            var bytes = Driver.Bytes(room with { Length = written });
            var header = VsockHeader.Read(bytes);
            Assert.Equal((VsockHeader.HostCid, (ulong)Cid), (header.SourceCid, header.DestinationCid));
            Assert.Equal((uint)VsockHeader.Bytes + header.Length, written);
            _received.Enqueue(new(header, bytes[VsockHeader.Bytes..]));
        }
    }

    public bool TryReceive(out VsockPacket packet)
    {
        Pump();
        return _received.TryDequeue(out packet!);
    }

    public VsockPacket Receive()
    {
        VsockPacket? packet = null;
        Driver.PumpUntil(() => TryReceive(out packet!), "a packet for the guest");
        return packet!;
    }

    public VsockPacket Receive(VsockOperation operation)
    {
        var packet = Receive();
        Assert.Equal(operation, packet.Operation);
        return packet;
    }

    public void AssertNothing() => Assert.False(TryReceive(out var packet), $"{packet}");

    /// <summary>A host program that listens for the guest's connections to a port.</summary>
    public FileDescriptor Listen(uint port) => UnixSocket.Listen($"{Path}_{port}");

    /// <summary>A host program that connects to our socket.</summary>
    public FileDescriptor Connect(string? line = null)
    {
        var socket = UnixSocket.TryConnect(Path);
        Assert.NotNull(socket);
        if (line is not null) Write(socket, System.Text.Encoding.ASCII.GetBytes(line));
        return socket;
    }

    public void Write(FileDescriptor socket, params ReadOnlySpan<byte> bytes)
    {
        Assert.Equal(bytes.Length, UnixSocket.Write(socket, bytes));
        Pump();
    }

    /// <summary>What there is to read; null: the end.</summary>
    public byte[]? Read(FileDescriptor socket, int most = 1 << 20)
    {
        Pump();
        var bytes = new byte[most];
        var count = UnixSocket.Read(socket, bytes);
        return count == 0 ? null : bytes[..(int)Math.Max(0, count)];
    }

    public string ReadText(FileDescriptor socket) => System.Text.Encoding.ASCII.GetString(Read(socket) ?? "<end>"u8.ToArray());

    /// <summary>A connection the guest asked for, on both sides.</summary>
    public (VsockPorts Ports, FileDescriptor Host) OpenFromGuest(uint guestPort = 1024, uint hostPort = 52)
    {
        var ports = new VsockPorts(hostPort, guestPort);
        using var listener = Listen(hostPort);
        Assert.True(Send(VsockOperation.Request, ports));
        var host = UnixSocket.TryAccept(listener);
        Assert.NotNull(host);
        File.Delete($"{Path}_{hostPort}");
        if (_posted.Count == 0) Post();
        Assert.Equal(ports, Receive(VsockOperation.Response).Ports);
        return (ports, host);
    }

    /// <summary>A connection the host asked for, on both sides.</summary>
    public (VsockPorts Ports, FileDescriptor Host) OpenFromHost(uint guestPort = 22)
    {
        var host = Connect($"CONNECT {guestPort}\n");
        Pump();
        if (_posted.Count == 0) Post();
        var request = Receive(VsockOperation.Request);
        Assert.True(Send(VsockOperation.Response, request.Ports));
        Assert.Equal($"OK {request.Ports.Host}\n", ReadText(host));
        return (request.Ports, host);
    }

    public void Dispose()
    {
        Driver.Dispose();
        _folder.Delete(recursive: true);
    }
}

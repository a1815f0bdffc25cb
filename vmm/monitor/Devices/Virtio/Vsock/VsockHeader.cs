using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;

/// <summary>What begins every packet: struct virtio_vsock_hdr (virtio 1.2, 5.10.6), little-endian as we are.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct VsockHeader
{
    /// <summary>Of the header in a packet.</summary>
    public const int Bytes = 44;

    /// <summary>The host's, well-known (5.10.4).</summary>
    public const ulong HostCid = 2;

    /// <summary>VIRTIO_VSOCK_TYPE_STREAM.</summary>
    public const ushort Stream = 1;

    public ulong SourceCid;
    public ulong DestinationCid;
    public uint SourcePort;
    public uint DestinationPort;

    /// <summary>Of the payload.</summary>
    public uint Length;

    public ushort Type;
    public VsockOperation Operation;

    /// <summary>With <see cref="VsockOperation.Shutdown"/>: what will not happen any more.</summary>
    public VsockShutdown Shutdown;

    /// <summary>How many bytes the sender of this packet can hold for the connection.</summary>
    public uint BufferSize;

    /// <summary>How many bytes it has passed on so far, modulo 2^32.</summary>
    public uint Forwarded;

    public static VsockHeader Read(ReadOnlySpan<byte> bytes) => MemoryMarshal.Read<VsockHeader>(bytes);

    public readonly void Write(Span<byte> into) => MemoryMarshal.Write(into, in this);
}

/// <summary>VIRTIO_VSOCK_OP_*</summary>
internal enum VsockOperation : ushort
{
    Invalid = 0,
    Request = 1,
    Response = 2,
    Reset = 3,
    Shutdown = 4,
    ReadWrite = 5,
    CreditUpdate = 6,
    CreditRequest = 7,
}

/// <summary>VIRTIO_VSOCK_SHUTDOWN_F_*: hints that are never taken back.</summary>
[Flags]
internal enum VsockShutdown : uint
{
    None = 0,

    /// <summary>The sender of the packet will receive no more.</summary>
    Receive = 1,

    /// <summary>The sender of the packet will send no more.</summary>
    Send = 2,

    Both = Receive | Send,
}

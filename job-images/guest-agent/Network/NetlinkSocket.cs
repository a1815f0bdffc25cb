using System.Buffers.Binary;
using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace RunnerVm.GuestAgent.Network;

/// <summary>One rtnetlink request: header, fixed body, attributes, each padded to four bytes.</summary>
internal sealed class NetlinkMessage
{
    private const int HeaderSize = 16;
    private readonly byte[] _bytes = new byte[256];
    private int _length = HeaderSize;

    public NetlinkMessage(ushort type, bool create)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(_bytes.AsSpan(4), type);
        // NLM_F_REQUEST, NLM_F_ACK, and NLM_F_EXCL with NLM_F_CREATE
        BinaryPrimitives.WriteUInt16LittleEndian(_bytes.AsSpan(6), (ushort)(create ? 0x605 : 0x5));
    }

    public void Append(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_bytes.AsSpan(_length));
        _length += (bytes.Length + 3) & ~3;
    }

    public void Attribute(ushort type, ReadOnlySpan<byte> value)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(_bytes.AsSpan(_length), (ushort)(4 + value.Length));
        BinaryPrimitives.WriteUInt16LittleEndian(_bytes.AsSpan(_length + 2), type);
        _length += 4;
        Append(value);
    }

    public ReadOnlySpan<byte> Finish()
    {
        BinaryPrimitives.WriteInt32LittleEndian(_bytes, _length);
        return _bytes.AsSpan(0, _length);
    }
}

/// <summary>A socket to the kernel's routing side: requests with their answers, or, with groups, its announcements.</summary>
internal sealed unsafe class NetlinkSocket : IDisposable
{
    private const int NETLINK_ROUTE = 0;
    private const ushort NLMSG_ERROR = 2;

    private readonly SafeFileHandle _handle;

    /// <param name="groups">Announcements to receive, RTMGRP_….</param>
    public NetlinkSocket(uint groups = 0)
    {
        _handle = new(NetworkCalls.Socket(NetworkCalls.AF_NETLINK, NetworkCalls.SOCK_RAW, NETLINK_ROUTE), ownsHandle: true);
        Span<byte> address = stackalloc byte[12]; // struct sockaddr_nl
        address.Clear();
        address[0] = NetworkCalls.AF_NETLINK;
        BinaryPrimitives.WriteUInt32LittleEndian(address[8..], groups);
        // SAFETY: the kernel reads twelve bytes of the stack.
        fixed (byte* start = address) NetworkCalls.Check(NetworkCalls.bind(Fd, start, 12), "Cannot bind a netlink socket");
    }

    private int Fd => (int)_handle.DangerousGetHandle();

    /// <exception cref="Win32Exception">The kernel refused it.</exception>
    public void Request(NetlinkMessage message, string attempt)
    {
        var bytes = message.Finish();
        // SAFETY: the span is pinned for the length of the call.
        fixed (byte* start = bytes) NetworkCalls.Check(NetworkCalls.sendto(Fd, start, (nuint)bytes.Length, 0, null, 0), attempt);
        Span<byte> answer = stackalloc byte[1024];
        var length = Receive(answer);
        if (length < 20 || BinaryPrimitives.ReadUInt16LittleEndian(answer[4..]) != NLMSG_ERROR) throw new IOException($"{attempt}: the kernel's answer is not one.");
        var errno = -BinaryPrimitives.ReadInt32LittleEndian(answer[16..]);
        if (errno != 0) throw new Win32Exception(errno, $"{attempt}: {Marshal.GetPInvokeErrorMessage(errno)} (errno {errno}).");
    }

    /// <summary>Waits for the next datagram.</summary>
    public int Receive(Span<byte> buffer)
    {
        // SAFETY: the kernel writes at most the span's length.
        fixed (byte* start = buffer) return NetworkCalls.Check(NetworkCalls.recv(Fd, start, (nuint)buffer.Length, 0), "Cannot read from netlink");
    }

    public void Dispose() => _handle.Dispose();
}

using System.Buffers.Binary;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Net;
using RunnerVm.Vmm.Native.Handles;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Net;

/// <summary>A guest's network driver, and the frames of one who is 10.0.0.2.</summary>
internal sealed class NetGuest : IDisposable
{
    public const string Mac = "06:00:0a:00:00:02";
    public static readonly byte[] GuestMac = [6, 0, 10, 0, 0, 2];
    public static readonly byte[] HostMac = [6, 0, 10, 0, 0, 1];

    private readonly Dictionary<ushort, GuestBuffer> _posted = [];

    public NetGuest(NetworkInterface? configuration = null, IFrameResponder? responder = null, TimeProvider? time = null, ulong? features = null)
    {
        Device = new(configuration ?? Configuration, responder, time);
        Driver = new(Device);
        Driver.SetUp(features);
        NetworkNamespace.WaitForCarrier();
    }

    public static NetworkInterface Configuration => new() { IfaceId = "eth0", HostDevName = "tap0", GuestMac = Mac };

    public NetDevice Device { get; }

    public VirtioDriver Driver { get; }

    public NetGuest Post(int count = 1, uint length = 2048)
    {
        for (var i = 0; i < count; i++)
        {
            var room = Driver.Reserve(length);
            _posted.Add(Driver.Queues[0].Add(room), room);
        }

        Driver.Queues[0].Kick();
        Driver.Pump();
        return this;
    }

    /// <summary>Sends a frame behind an empty header and waits until the device has it.</summary>
    public void Send(params ReadOnlySpan<byte> frame)
    {
        Driver.Queues[1].Request(Driver.Place(new byte[TapDevice.HeaderBytes]), Driver.Place(frame));
        Assert.Empty(Driver.Problems);
    }

    /// <summary>The next frame, put together, and over how many buffers it came; null when there is none.</summary>
    public (byte[] Frame, int Buffers)? TryReceive()
    {
        Driver.Pump();
        Assert.Empty(Driver.Problems);
        if (!Driver.Queues[0].TryCollect(out var head, out var written)) return null;
        if (written == 0) return ([], 1);
        var bytes = Take(head, written).ToList();
        var buffers = BinaryPrimitives.ReadUInt16LittleEndian(bytes.ToArray().AsSpan(10));
        for (var i = 1; i < buffers; i++)
        {
            Assert.True(Driver.Queues[0].TryCollect(out head, out written));
            bytes.AddRange(Take(head, written));
        }

        return (bytes[TapDevice.HeaderBytes..].ToArray(), buffers);
    }

    public (byte[] Frame, int Buffers) Receive()
    {
        (byte[], int)? received = null;
        Driver.PumpUntil(() => (received = TryReceive()) is not null, "a frame for the guest");
        return received!.Value;
    }

    /// <summary>UDP over IPv4 from 10.0.0.2:2000; without a UDP checksum, which IPv4 allows.</summary>
    public static byte[] Udp(int port, params ReadOnlySpan<byte> payload)
    {
        var frame = new byte[14 + 20 + 8 + payload.Length];
        HostMac.CopyTo(frame, 0);
        GuestMac.CopyTo(frame, 6);
        frame[12] = 8;
        var ip = frame.AsSpan(14);
        ip[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)(28 + payload.Length));
        (ip[8], ip[9]) = (64, 17);
        ReadOnlySpan<byte> addresses = [10, 0, 0, 2, 10, 0, 0, 1];
        addresses.CopyTo(ip[12..]);
        BinaryPrimitives.WriteUInt16BigEndian(ip[10..], Checksum(ip[..20]));
        BinaryPrimitives.WriteUInt16BigEndian(ip[20..], 2000);
        BinaryPrimitives.WriteUInt16BigEndian(ip[22..], (ushort)port);
        BinaryPrimitives.WriteUInt16BigEndian(ip[24..], (ushort)(8 + payload.Length));
        payload.CopyTo(ip[28..]);
        return frame;
    }

    public static ushort Checksum(ReadOnlySpan<byte> bytes)
    {
        uint sum = 0;
        for (var i = 0; i < bytes.Length; i += 2) sum += i + 1 < bytes.Length ? BinaryPrimitives.ReadUInt16BigEndian(bytes[i..]) : (uint)bytes[i] << 8;
        while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)~sum;
    }

    public void Dispose() => Driver.Dispose();

    private byte[] Take(ushort head, uint written)
    {
        Assert.True(_posted.Remove(head, out var room));
        return Driver.Bytes(room with { Length = written });
    }
}

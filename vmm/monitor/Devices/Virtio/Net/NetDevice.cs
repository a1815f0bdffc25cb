using System.Buffers.Binary;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.RateLimiting;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Net;

/// <summary>A network card on a TAP device of the host (virtio 1.2, 5.1).</summary>
internal sealed partial class NetDevice : IVirtioDevice
{
    /// <summary>What is looked at of a frame before it is sent: Ethernet, ARP or the IPv4 header's fixed part.</summary>
    public const int HeadBytes = 14 + 28;

    private const int Receive = 0;
    private const int Transmit = 1;
    private const ushort QueueSize = 256;

    /// <summary>The longest frame: 64 KiB of IP left to be cut, Ethernet, header (5.1.6.3.1).</summary>
    private const uint LongestFrame = 65562;

    /// <summary>What a guest without offloads must have room for (5.1.6.3.1).</summary>
    private const uint LongestPlainFrame = 1526;

    /// <summary>Descriptors of all the buffers that take one frame.</summary>
    private const int MostPieces = 1024;

    /// <summary>Frames of a queue in one go; then others on the event loop have their turn.</summary>
    private const int Share = QueueSize;

    private readonly TapDevice _tap;
    private readonly MacAddress? _mac;
    private readonly ushort? _mtu;
    private readonly IFrameResponder? _responder;
    private readonly RateLimiter _receiveLimiter;
    private readonly RateLimiter _transmitLimiter;
    private readonly TimerFd _timer = new();
    private readonly TimeProvider _time;
    private readonly DescriptorChain _chain = new();
    private readonly List<Watch> _watches = [];
    private DeviceActivation? _activation;

    /// <param name="responder">Answers frames before they reach the host; null: nobody does.</param>
    /// <exception cref="VmmFaultException">The TAP device cannot be had, or a field is wrong.</exception>
    public NetDevice(NetworkInterface configuration, IFrameResponder? responder = null, TimeProvider? time = null)
    {
        Name = $"net {configuration.IfaceId}";
        _mac = Mac(configuration);
        _mtu = Mtu(configuration);
        (_responder, _time) = (responder, time ?? TimeProvider.System);
        try
        {
            _tap = TapDevice.Open(configuration.HostDevName);
        }
        catch (LinuxException problem)
        {
            throw new VmmFaultException($"Network interface '{configuration.IfaceId}', host_dev_name: {problem.Message}", problem);
        }

        _receiveLimiter = new(configuration.RxRateLimiter, time);
        _transmitLimiter = new(configuration.TxRateLimiter, time);
    }

    public NetCounters Counters { get; } = new();

    public string Name { get; }

    public uint Type => 1;

    public ulong Features => NetFeature.All | (_mac is null ? 0 : 1ul << NetFeature.Mac) | (_mtu is null ? 0 : 1ul << NetFeature.Mtu);

    public IReadOnlyList<ushort> QueueSizes { get; } = [QueueSize, QueueSize];

    /// <summary>struct virtio_net_config: address, status and queue pairs (neither offered), MTU.</summary>
    public void ReadConfig(uint offset, Span<byte> into)
    {
        Span<byte> space = stackalloc byte[12];
        space.Clear();
        _mac?.Write(space);
        BinaryPrimitives.WriteUInt16LittleEndian(space[10..], _mtu ?? 0);
        if (offset < space.Length) space[(int)offset..Math.Min(space.Length, (int)offset + into.Length)].CopyTo(into);
    }

    public void WriteConfig(uint offset, ReadOnlySpan<byte> from)
    {
    }

    public void Activate(DeviceActivation activation)
    {
        _activation = activation;
        _merges = activation.Has(NetFeature.MergeableBuffers);
        var offloads = NetFeature.Offloads(activation);
        _tap.SetOffloads(offloads);
        // The host's end may have any MTU; a driver whose frames go over several buffers copes with that, another never promised to.
        _longest = _merges || (offloads & ~TapOffloads.Checksum) != TapOffloads.None ? LongestFrame : Math.Max(LongestPlainFrame, _mtu + 26u ?? 0);
        // Edges: frames may wait in the TAP device for as long as the guest gives no buffers, and must not keep the loop awake.
        Watch(_tap.Descriptor, EpollEvents.Readable | EpollEvents.EdgeTriggered, () => _readable = true, ServeReceive);
        Watch(_receiveLimiter.Timer, EpollEvents.Readable, _receiveLimiter.OnTimer, ServeReceive);
        Watch(_transmitLimiter.Timer, EpollEvents.Readable, _transmitLimiter.OnTimer, ServeTransmit);
        Watch(_timer.Descriptor, EpollEvents.Readable, OnTimer, ServeReceive);
    }

    public void OnQueueNotified(int queue)
    {
        if (queue == Transmit) ServeTransmit();
        ServeReceive();
    }

    /// <summary>A bucket that is not named stays as it is.</summary>
    public void UpdateLimits(RateLimiterConfiguration? receive, RateLimiterConfiguration? transmit)
    {
        _receiveLimiter.Update(receive);
        _transmitLimiter.Update(transmit);
    }

    public void Reset()
    {
        foreach (var watch in _watches) watch.Dispose();
        _watches.Clear();
        _receiveLimiter.Forget();
        _transmitLimiter.Forget();
        _timer.Disarm();
        _responder?.Reset();
        (_activation, _readable, _held, _asideLength, _armed) = (null, false, 0, 0, null);
    }

    public void Dispose()
    {
        Reset();
        _tap.Dispose();
        _receiveLimiter.Dispose();
        _transmitLimiter.Dispose();
        _timer.Dispose();
    }

    private void Watch(FileDescriptor descriptor, EpollEvents events, Action first, Action then) =>
        _watches.Add(_activation!.Host.Watch(descriptor, events, _ =>
        {
            first();
            then();
        }));

    private static MacAddress? Mac(NetworkInterface configuration)
    {
        if (configuration.GuestMac is not { } text) return null;
        if (!MacAddress.TryParse(text, out var mac))
            throw new VmmFaultException($"Network interface '{configuration.IfaceId}', guest_mac '{text}': not six hexadecimal bytes with colons, as 06:00:ac:10:00:02.");
        return mac;
    }

    private static ushort? Mtu(NetworkInterface configuration)
    {
        if (configuration.Mtu is < 68 or > ushort.MaxValue)
            throw new VmmFaultException($"Network interface '{configuration.IfaceId}', mtu {configuration.Mtu}: choose 68 to 65535.");
        return (ushort?)configuration.Mtu;
    }
}

using RunnerVm.Vmm.Native.Handles;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Net;

/// <summary>Feature bits of a network device (virtio 1.2, 5.1.3), those we offer.</summary>
internal static class NetFeature
{
    public const int Checksum = 0;
    public const int GuestChecksum = 1;
    public const int Mtu = 3;
    public const int Mac = 5;
    public const int GuestTcp4 = 7;
    public const int GuestTcp6 = 8;
    public const int GuestUdp = 10;
    public const int HostTcp4 = 11;
    public const int HostTcp6 = 12;
    public const int HostUdp = 14;
    public const int MergeableBuffers = 15;

    /// <summary>Always. The kernel does for us what the guest leaves undone, and the guest what the kernel does.</summary>
    public const ulong All = (1ul << Checksum) | (1ul << GuestChecksum) | (1ul << GuestTcp4) | (1ul << GuestTcp6) | (1ul << GuestUdp)
        | (1ul << HostTcp4) | (1ul << HostTcp6) | (1ul << HostUdp) | (1ul << MergeableBuffers);

    /// <summary>What the kernel may leave to the guest; without a checksum of its own the guest cannot cut segments either (5.1.3.1).</summary>
    public static TapOffloads Offloads(DeviceActivation activation)
    {
        if (!activation.Has(GuestChecksum)) return TapOffloads.None;
        return TapOffloads.Checksum
            | (activation.Has(GuestTcp4) ? TapOffloads.Tcp4 : TapOffloads.None)
            | (activation.Has(GuestTcp6) ? TapOffloads.Tcp6 : TapOffloads.None)
            | (activation.Has(GuestUdp) ? TapOffloads.Udp : TapOffloads.None);
    }
}

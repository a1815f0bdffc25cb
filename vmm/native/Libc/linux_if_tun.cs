using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    public const int IFNAMSIZ = 16;
    public const int IFF_TAP = 0x0002;
    public const int IFF_NO_PI = 0x1000;
    public const int IFF_VNET_HDR = 0x4000;
    public const uint TUNSETIFF = 0x400454ca;
    public const uint TUNSETOFFLOAD = 0x400454d0;
    public const uint TUNSETVNETHDRSZ = 0x400454d8;
    public const uint TUN_F_CSUM = 0x01;
    public const uint TUN_F_TSO4 = 0x02;
    public const uint TUN_F_TSO6 = 0x04;
    public const uint TUN_F_UFO = 0x10;
}

/// <summary>Of its union only the flags.</summary>
[StructLayout(LayoutKind.Sequential, Size = 40)]
internal struct ifreq
{
    public ifr_name ifr_name;
    public short ifr_flags;
}

[InlineArray(LibC.IFNAMSIZ)]
internal struct ifr_name
{
    private byte _element;
}

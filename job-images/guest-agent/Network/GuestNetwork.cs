using System.Net;

namespace RunnerVm.GuestAgent.Network;

/// <summary>The addresses a guest sees. None of them is anybody's: they end at the agent.</summary>
internal static class GuestNetwork
{
    public const string InterfaceName = "dummy0";

    /// <summary>10.111.0.2, the guest's own; programs take it as the source of everything.</summary>
    public static IPAddress Address { get; } = new([10, 111, 0, 2]);

    /// <summary>fd52:766d:1::2, from a unique local range (RFC 4193), so that resolvers prefer IPv4 where both exist.</summary>
    public static IPAddress Address6 { get; } = new([0xfd, 0x52, 0x76, 0x6d, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);

    /// <summary>In a sandbox: the guest's addresses, and one in the other half of each address space.</summary>
    public static IReadOnlyList<IPAddress> SandboxHalves { get; } =
        [Address, new([198, 18, 0, 2]), Address6, new([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2])];

    /// <summary>In /etc/resolv.conf. Any address would do: all DNS goes the same way.</summary>
    public const string NameServer = "198.18.0.53";

    public const int DnsPort = 53;
}

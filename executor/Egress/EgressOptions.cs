using System.Net;

namespace RunnerVm.Egress;

/// <summary>What the gateway of a machine works with; the defaults are right for <c>exec</c>.</summary>
internal sealed record EgressOptions
{
    /// <summary>Servers that resolve names for the guest, in order; null means those of /etc/resolv.conf.</summary>
    public IReadOnlyList<IPEndPoint>? DnsServers { get; init; }

    /// <summary>Whether IPv6 addresses are worth handing to the guest; null means: whether this host has a route.</summary>
    public bool? HostHasIPv6 { get; init; }

    /// <summary>As long as most programs wait for a connect themselves.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>One try with one server; each server is tried twice.</summary>
    public TimeSpan DnsTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Connections of one machine that are open or being opened; below what a connection's channels allow.</summary>
    public int MaximumConnections { get; init; } = 1500;

    /// <summary>Look-ups of one machine under way at once; more wait.</summary>
    public int MaximumLookups { get; init; } = 128;
}

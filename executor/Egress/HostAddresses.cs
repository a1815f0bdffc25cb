using System.Net;
using System.Net.NetworkInformation;

namespace RunnerVm.Egress;

/// <summary>
/// The addresses of this host's interfaces, read again when the last look is older than ten seconds: interfaces come
/// and go with containers and VPNs. Safe from any thread.
/// </summary>
internal sealed class HostAddresses(TimeProvider time)
{
    private static readonly TimeSpan MaximumAge = TimeSpan.FromSeconds(10);

    private sealed record Look(IReadOnlySet<IPAddress> Addresses, long Timestamp);

    private readonly IReadOnlySet<IPAddress>? _fixed;
    private volatile Look? _last;

    /// <summary>A set that never changes, for a host that is described and not looked at.</summary>
    public HostAddresses(IEnumerable<IPAddress> addresses)
        : this(TimeProvider.System) => _fixed = addresses.Select(AddressPlan.Canonical).ToHashSet();

    public IReadOnlySet<IPAddress> Current
    {
        get
        {
            if (_fixed is not null) return _fixed;
            var last = _last;
            if (last is not null && time.GetElapsedTime(last.Timestamp) < MaximumAge) return last.Addresses;
            var found = NetworkInterface.GetAllNetworkInterfaces()
                .SelectMany(i => i.GetIPProperties().UnicastAddresses)
                .Select(a => AddressPlan.Canonical(WithoutScope(a.Address)))
                .ToHashSet();
            _last = new(found, time.GetTimestamp());
            return found;
        }
    }

    private static IPAddress WithoutScope(IPAddress address) => new(address.GetAddressBytes());
}

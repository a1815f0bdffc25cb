using System.Net;
using System.Net.Sockets;
using RunnerVm.Jobs;

namespace RunnerVm.Sources.GitLab;

/// <summary>
/// A job must reach the GitLab it came from, wherever that lies: exactly its host and port are opened, also where they are
/// private or this host's own.
/// </summary>
/// <param name="OnLoopback">The server is on this host's loopback.</param>
internal sealed record ServerAccess(bool OnLoopback, IReadOnlyList<string> Rules)
{
    private const string EverythingPublic = "*";

    /// <summary>Finds out where the repository's server is. A name that leads nowhere opens nothing; git says so then.</summary>
    public static async Task<ServerAccess> FindAsync(string repositoryUrl, CancellationToken cancellationToken)
    {
        if (!Uri.TryCreate(repositoryUrl, UriKind.Absolute, out var url) || url.Host.Length == 0) return new(false, []);
        var addresses = await ResolveAsync(url.IdnHost, cancellationToken);
        if (addresses.Any(IPAddress.IsLoopback)) return new(true, [$"host:{url.Port}"]);
        var rules = addresses.Select(a => a.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{a}]:{url.Port}" : $"{a}:{url.Port}").ToList();
        if (url.HostNameType == UriHostNameType.Dns) rules.Insert(0, $"{url.IdnHost}:{url.Port}");
        return new(false, rules);
    }

    /// <summary>The network a configuration gives, with the server in it.</summary>
    public NetworkRequest AddTo(NetworkRequest network) => network.Kind == NetworkKind.None || Rules.Count == 0
        ? network
        : network with { Allow = [.. network.Allow ?? [EverythingPublic], .. Rules] };

    private static async Task<IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken)
    {
        if (IPAddress.TryParse(host.Trim('[', ']'), out var literal)) return [literal];
        try
        {
            return await Dns.GetHostAddressesAsync(host, cancellationToken);
        }
        catch (SocketException)
        {
            return [];
        }
    }
}

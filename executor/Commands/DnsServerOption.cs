using System.Net;

namespace RunnerVm.Commands;

/// <summary><c>--dns 127.0.0.1:5353</c>.</summary>
internal static class DnsServerOption
{
    private const int DnsPort = 53;

    /// <summary>The servers in order; null when none are given, which means those of this host.</summary>
    public static IReadOnlyList<IPEndPoint>? Parse(string[] given, List<string> problems)
    {
        if (given.Length == 0) return null;
        var servers = new List<IPEndPoint>();
        foreach (var text in given)
        {
            if (!IPEndPoint.TryParse(text, out var server)) problems.Add($"--dns {text}: expected an address, with :port when it is not 53");
            else servers.Add(server.Port == 0 ? new(server.Address, DnsPort) : server);
        }

        return servers;
    }
}

using System.Globalization;
using System.Net;
using System.Text.Json;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Json;
using RunnerVm.Vmm.Monitor.Mmds;

namespace RunnerVm.Vmm.Monitor.Api.Bodies;

/// <summary>/network-interfaces/{iface_id} and /mmds/config as JSON.</summary>
internal static class NetworkBody
{
    /// <summary>linux/if.h: IFNAMSIZ, with its zero.</summary>
    private const int MostDeviceName = 15;

    public static NetworkInterface Read(JsonFields fields)
    {
        var network = new NetworkInterface
        {
            IfaceId = ResourceId.Read(fields, "iface_id"),
            HostDevName = fields.RequiredText("host_dev_name"),
            GuestMac = ReadMac(fields, "guest_mac"),
            Mtu = (int?)fields.Number("mtu", 68, 65_535),
            RxRateLimiter = LimiterBody.Read(fields, "rx_rate_limiter"),
            TxRateLimiter = LimiterBody.Read(fields, "tx_rate_limiter"),
        };
        fields.NoOthers();
        if (!IsDeviceName(network.HostDevName))
            throw fields.Fault("host_dev_name", $"must be a network device's name, 1 to {MostDeviceName} characters without slash, colon or blank.");
        return network;
    }

    public static VmmAction.UpdateNetworkInterface ReadUpdate(JsonFields fields)
    {
        var update = new VmmAction.UpdateNetworkInterface(
            ResourceId.Read(fields, "iface_id"), LimiterBody.Read(fields, "rx_rate_limiter"), LimiterBody.Read(fields, "tx_rate_limiter"));
        fields.NoOthers();
        return update;
    }

    public static void Write(Utf8JsonWriter writer, NetworkInterface network)
    {
        writer.WriteStartObject();
        writer.WriteString("iface_id", network.IfaceId);
        writer.WriteString("host_dev_name", network.HostDevName);
        writer.WriteString("guest_mac", network.GuestMac);
        if (network.Mtu is { } mtu) writer.WriteNumber("mtu", mtu);
        else writer.WriteNull("mtu");
        LimiterBody.Write(writer, "rx_rate_limiter", network.RxRateLimiter);
        LimiterBody.Write(writer, "tx_rate_limiter", network.TxRateLimiter);
        writer.WriteEndObject();
    }

    public static MmdsConfiguration ReadMmds(JsonFields fields)
    {
        var mmds = new MmdsConfiguration
        {
            Version = fields.Choice("version", ("V1", MmdsVersion.V1), ("V2", MmdsVersion.V2)) ?? MmdsVersion.V1,
            NetworkInterfaces = fields.Texts("network_interfaces"),
            Ipv4Address = fields.Text("ipv4_address") ?? MmdsConfiguration.DefaultAddress,
            ImdsCompat = fields.Flag("imds_compat") ?? false,
        };
        fields.NoOthers();
        if (mmds.NetworkInterfaces.Count == 0) throw fields.Fault("network_interfaces", "must name at least one interface.");
        if (!IsLinkLocal(mmds.Ipv4Address)) throw fields.Fault("ipv4_address", "must be a link-local address, 169.254.1.0 to 169.254.254.255 (RFC 3927).");
        return mmds;
    }

    public static void WriteMmds(Utf8JsonWriter writer, MmdsConfiguration mmds)
    {
        writer.WriteStartObject();
        writer.WriteString("version", mmds.Version == MmdsVersion.V2 ? "V2" : "V1");
        writer.WriteStartArray("network_interfaces");
        foreach (var id in mmds.NetworkInterfaces) writer.WriteStringValue(id);
        writer.WriteEndArray();
        writer.WriteString("ipv4_address", mmds.Ipv4Address);
        writer.WriteBoolean("imds_compat", mmds.ImdsCompat);
        writer.WriteEndObject();
    }

    /// <summary>Small letters, as it is shown and compared.</summary>
    private static string? ReadMac(JsonFields fields, string name)
    {
        if (fields.Text(name) is not { } text) return null;
        var parts = text.Split(':');
        return parts.Length == 6 && parts.All(static part => part.Length == 2 && byte.TryParse(part, NumberStyles.AllowHexSpecifier, null, out _))
            ? text.ToLowerInvariant()
            : throw fields.Fault(name, "must be six bytes in hexadecimal with colons, as 06:00:ac:10:00:02.");
    }

    private static bool IsDeviceName(string name) =>
        name.Length is > 0 and <= MostDeviceName && name is not ("." or "..") && name.All(static c => c is > ' ' and <= '~' and not ('/' or ':'));

    /// <summary>Dotted quads only, as it is compared; the first and last 256 addresses are reserved.</summary>
    private static bool IsLinkLocal(string text) =>
        IPAddress.TryParse(text, out var address) && address.ToString() == text && text.StartsWith("169.254.", StringComparison.Ordinal) &&
        !text.StartsWith("169.254.0.", StringComparison.Ordinal) && !text.StartsWith("169.254.255.", StringComparison.Ordinal);
}

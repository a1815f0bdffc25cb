using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace RunnerVm.Egress;

/// <summary>What a <see cref="NetworkRule"/> names.</summary>
internal enum NetworkRuleKind
{
    /// <summary><c>*</c>: everything public.</summary>
    Anything,

    /// <summary><c>github.com</c>: this name and no other.</summary>
    HostName,

    /// <summary><c>*.debian.org</c>: every name below <c>debian.org</c>, at any depth, not <c>debian.org</c> itself.</summary>
    Subdomains,

    /// <summary><c>192.0.2.7</c>, <c>10.0.0.0/8</c>, <c>2001:db8::/32</c>.</summary>
    AddressRange,

    /// <summary><c>host:8080</c>: a port of the host's own loopback.</summary>
    HostLoopback,
}

/// <summary>Ports from <paramref name="First"/> to <paramref name="Last"/>, both included, 1 to 65535.</summary>
internal readonly record struct PortRange(int First, int Last)
{
    public bool Contains(int port) => port >= First && port <= Last;

    public override string ToString() => First == Last ? $"{First}" : $"{First}-{Last}";
}

/// <summary>
/// One entry of <c>allow:</c> or <c>deny:</c>, parsed; matching is the policy's work. Written as a name, a wildcard,
/// an address or a range, then optionally <c>:port</c> or <c>:first-last</c>. IPv6 with a port stands in brackets:
/// <c>[2001:db8::/32]:443</c>.
/// </summary>
/// <param name="Name">
/// For <see cref="NetworkRuleKind.HostName"/> the name, for <see cref="NetworkRuleKind.Subdomains"/> the part after
/// <c>*.</c>; lower case, no final dot. Null otherwise.
/// </param>
/// <param name="Range">Set for <see cref="NetworkRuleKind.AddressRange"/> only. IPv4 written as IPv6 has become IPv4.</param>
/// <param name="Ports">Null means every port; never null for <see cref="NetworkRuleKind.HostLoopback"/>.</param>
internal sealed record NetworkRule(NetworkRuleKind Kind, string? Name = null, IPNetwork? Range = null, PortRange? Ports = null)
{
    private const int MaximumLength = 300;

    /// <summary>Reads one rule. <paramref name="problem"/> says what is wrong and how to write it instead.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out NetworkRule? rule, [NotNullWhen(false)] out string? problem)
    {
        rule = null;
        var written = (text ?? "").Trim();
        problem = ProblemOfWhole(written);
        if (problem is not null) return false;
        if (!TrySplit(written, out var target, out var ports, out problem)) return false;
        if (target == "host") return TryHostLoopback(ports, out rule, out problem);
        if (target == "*")
        {
            rule = new(NetworkRuleKind.Anything, Ports: ports);
            return true;
        }

        return target.Contains('/') || LooksLikeAddress(target)
            ? TryRange(target, ports, out rule, out problem)
            : TryName(target, ports, out rule, out problem);
    }

    /// <summary>The rule in its shortest form; parses to an equal rule.</summary>
    public override string ToString()
    {
        var target = Kind switch
        {
            NetworkRuleKind.Anything => "*",
            NetworkRuleKind.HostLoopback => "host",
            NetworkRuleKind.Subdomains => "*." + Name,
            NetworkRuleKind.AddressRange => RangeText(Range!.Value),
            _ => Name!,
        };
        if (Ports is null) return target;
        return target.Contains(':') ? $"[{target}]:{Ports}" : $"{target}:{Ports}";
    }

    private static string RangeText(IPNetwork range)
    {
        var bits = range.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
        return range.PrefixLength == bits ? range.BaseAddress.ToString() : $"{range.BaseAddress}/{range.PrefixLength}";
    }

    private static string? ProblemOfWhole(string text)
    {
        if (text.Length == 0) return "an empty rule; write a host name, *.domain, an address or a range";
        if (text.Length > MaximumLength) return "a rule is at most 300 characters long";
        if (text.Any(char.IsWhiteSpace)) return "a rule holds no spaces; write one rule a line";
        return text.Contains("://", StringComparison.Ordinal)
            ? "a rule names a host, not an address of a page; leave out the scheme and the path"
            : null;
    }

    private static bool TryHostLoopback(
        PortRange? ports, [NotNullWhen(true)] out NetworkRule? rule, [NotNullWhen(false)] out string? problem)
    {
        rule = ports is null ? null : new(NetworkRuleKind.HostLoopback, Ports: ports);
        problem = rule is null ? "the host itself is let in by port only; write host:8080" : null;
        return rule is not null;
    }

    private static bool TrySplit(
        string text, out string target, out PortRange? ports, [NotNullWhen(false)] out string? problem)
    {
        target = text;
        ports = null;
        problem = null;
        string? portText = null;
        if (text[0] == '[')
        {
            var close = text.IndexOf(']');
            if (close < 0 || (close + 1 < text.Length && text[close + 1] != ':'))
            {
                problem = "brackets hold an IPv6 address; write [2001:db8::1]:443";
                return false;
            }

            target = text[1..close];
            if (!target.Contains(':'))
            {
                problem = "brackets are for IPv6 addresses only";
                return false;
            }

            if (close + 1 < text.Length) portText = text[(close + 2)..];
        }
        else if (text.IndexOf(':') is >= 0 and var colon && colon == text.LastIndexOf(':'))
        {
            target = text[..colon];
            portText = text[(colon + 1)..];
        }

        return portText is null || TryPorts(portText, out ports, out problem);
    }

    private static bool TryPorts(string text, out PortRange? ports, [NotNullWhen(false)] out string? problem)
    {
        ports = null;
        problem = null;
        var dash = text.IndexOf('-');
        var (first, last) = dash < 0 ? (text, text) : (text[..dash], text[(dash + 1)..]);
        if (TryPort(first, out var from) && TryPort(last, out var to) && from <= to)
        {
            ports = new PortRange(from, to);
            return true;
        }

        problem = "after the colon stands a port from 1 to 65535 or a range such as 8000-8080";
        return false;
    }

    private static bool TryPort(string text, out int port) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port is >= 1 and <= 65535;

    /// <summary>All digits and dots is meant as IPv4, any colon as IPv6; a name has a letter in its last label.</summary>
    private static bool LooksLikeAddress(string text) =>
        text.Contains(':') || (text.Length > 0 && text.All(c => char.IsAsciiDigit(c) || c == '.'));

    private static bool TryRange(
        string text, PortRange? ports, [NotNullWhen(true)] out NetworkRule? rule, [NotNullWhen(false)] out string? problem)
    {
        rule = null;
        var slash = text.IndexOf('/');
        if (!TryAddress(slash < 0 ? text : text[..slash], out var address))
        {
            problem = "this is no IP address or range; write 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32 (a rule holds no path)";
            return false;
        }

        var bits = address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
        var prefix = bits;
        if (slash >= 0 && (!int.TryParse(text[(slash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out prefix) || prefix > bits))
        {
            problem = $"after the slash stands the number of fixed bits, 0 to {bits}";
            return false;
        }

        var start = Masked(address, prefix);
        problem = start.Equals(address) ? null : $"the address has bits beyond /{prefix}; write {start}/{prefix} or {address}";
        if (problem is null) rule = new(NetworkRuleKind.AddressRange, Range: Unmapped(start, prefix), Ports: ports);
        return problem is null;
    }

    /// <summary>IPAddress accepts octal, hex, missing octets and scopes; a policy must not guess, so those are refused.</summary>
    private static bool TryAddress(string text, [NotNullWhen(true)] out IPAddress? address)
    {
        address = null;
        if (!text.Contains(':'))
        {
            var octets = text.Split('.');
            if (octets.Length != 4 || !octets.All(o => o.Length is >= 1 and <= 3 && (o.Length == 1 || o[0] != '0'))) return false;
        }
        else if (!text.All(c => char.IsAsciiHexDigit(c) || c is ':' or '.'))
        {
            return false;
        }

        return IPAddress.TryParse(text, out address);
    }

    private static IPAddress Masked(IPAddress address, int prefix)
    {
        var bytes = address.GetAddressBytes();
        for (var i = 0; i < bytes.Length; i++)
        {
            var fixedBits = Math.Clamp(prefix - (8 * i), 0, 8);
            bytes[i] &= (byte)(0xFF << (8 - fixedBits));
        }

        return new(bytes);
    }

    private static IPNetwork Unmapped(IPAddress start, int prefix) =>
        start.IsIPv4MappedToIPv6 && prefix >= 96 ? new(start.MapToIPv4(), prefix - 96) : new(start, prefix);

    private static bool TryName(
        string text, PortRange? ports, [NotNullWhen(true)] out NetworkRule? rule, [NotNullWhen(false)] out string? problem)
    {
        var wildcard = text.StartsWith("*.", StringComparison.Ordinal);
        var name = (wildcard ? text[2..] : text).ToLowerInvariant();
        if (name.EndsWith('.')) name = name[..^1];
        problem = ProblemOfName(name);
        rule = problem is null ? new(wildcard ? NetworkRuleKind.Subdomains : NetworkRuleKind.HostName, name, Ports: ports) : null;
        return rule is not null;
    }

    private static string? ProblemOfName(string name)
    {
        if (name.Contains('*')) return "a star stands alone or at the very start: *.debian.org";
        if (name is "localhost") return "in the guest, localhost is the guest; for the host's loopback write host:8080";
        if (!name.All(char.IsAscii)) return "write a name with other letters in its ASCII form, xn--…";
        var labels = name.Split('.');
        if (name.Length > 253 || !labels.All(IsLabel)) return "this is no host name; write one such as github.com or *.debian.org:443";
        return labels[^1].All(char.IsAsciiDigit) ? "this is neither an address nor a host name" : null;
    }

    private static bool IsLabel(string label) =>
        label.Length is >= 1 and <= 63 && label[0] != '-' && label[^1] != '-'
        && label.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');
}

using System.Net;
using RunnerVm.Jobs;

namespace RunnerVm.Egress;

internal enum EgressVerdict
{
    Allowed,
    Denied,

    /// <summary>The lists deny it; let through because the job only audits.</summary>
    Audited,

    /// <summary>It may, but could not: refused, timed out, no such server.</summary>
    Failed,
}

/// <param name="Verdict">Allowed, denied or audited.</param>
/// <param name="Reason">A few words for the audit log and for the guest.</param>
/// <param name="Target">Where to connect; null unless it may.</param>
internal readonly record struct EgressDecision(EgressVerdict Verdict, string Reason, IPEndPoint? Target = null)
{
    public bool MayPass => Verdict is EgressVerdict.Allowed or EgressVerdict.Audited;
}

/// <summary>
/// What one job may reach, compiled from its <see cref="NetworkRequest"/>. Names decide about public addresses only:
/// the host, private, link-local and metadata addresses open to a rule that gives the address, and to nothing else, so
/// whoever owns a name cannot point it inwards. Immutable; safe from any thread.
/// </summary>
internal sealed class EgressPolicy
{
    private readonly bool _off;
    private readonly bool _auditOnly;
    private readonly NetworkRule[]? _allow;
    private readonly NetworkRule[] _deny;
    private readonly HostAddresses _host;

    private EgressPolicy(NetworkRequest request, NetworkRule[]? allow, NetworkRule[] deny, HostAddresses host)
    {
        _off = request.Kind == NetworkKind.None;
        _auditOnly = request.AuditOnly;
        (_allow, _deny, _host) = (allow, deny, host);
    }

    /// <summary>Whether the guest needs its redirect at all.</summary>
    public bool IsOff => _off;

    /// <summary>Only listed names and addresses pass, in enforce mode.</summary>
    public bool IsClosedByDefault => _allow is not null && !_auditOnly;

    /// <exception cref="UserException">A rule cannot be read.</exception>
    public static EgressPolicy Compile(NetworkRequest request, HostAddresses host) =>
        new(request, request.Allow is null ? null : Parse(request.Allow), Parse(request.Deny ?? []), host);

    /// <summary>May the guest connect there?</summary>
    /// <param name="names">The names this address was the answer for in this machine.</param>
    public EgressDecision Decide(IReadOnlyCollection<string> names, IPAddress address, int port)
    {
        if (_off) return new(EgressVerdict.Denied, "the job has no network");
        address = AddressPlan.Canonical(address);
        if (address.Equals(AddressPlan.HostAlias)) return DecideHost(port);

        var kind = AddressPlan.Classify(address, _host.Current, out var block);
        var target = new IPEndPoint(address, port);
        if (kind != AddressClass.Public) return DecideShut(kind, block, target, names);
        if (Find(_deny, names, target) is { } deny) return FromLists($"denied by {deny}", target);
        if (_allow is null) return new(EgressVerdict.Allowed, "public", target);
        return Find(_allow, names, target) is { } allow
            ? new(EgressVerdict.Allowed, $"allowed by {allow}", target)
            : FromLists("not in the allow list", target);
    }

    /// <summary>May the guest ask for this name? A name nothing can be reached by is not even looked up, since a look-up tells its server something.</summary>
    /// <param name="name">Lower case, no final dot.</param>
    public EgressDecision DecideName(string name)
    {
        if (_off) return new(EgressVerdict.Denied, "the job has no network");
        if (Array.Find(_deny, r => r.Ports is null && MatchesName(r, name)) is { } deny) return FromLists($"denied by {deny}", null);
        if (_allow is null) return new(EgressVerdict.Allowed, "public");
        return Array.Find(_allow, r => MatchesName(r, name)) is { } allow
            ? new(EgressVerdict.Allowed, $"allowed by {allow}")
            : FromLists("not in the allow list", null);
    }

    private EgressDecision FromLists(string reason, IPEndPoint? target) =>
        _auditOnly ? new(EgressVerdict.Audited, reason, target) : new(EgressVerdict.Denied, reason);

    private EgressDecision DecideHost(int port)
    {
        bool Matches(NetworkRule r) => r.Kind == NetworkRuleKind.HostLoopback && r.Ports!.Value.Contains(port);
        if (Array.Find(_deny, Matches) is { } deny) return new(EgressVerdict.Denied, $"denied by {deny}");
        return Array.Find(_allow ?? [], Matches) is { } allow
            ? new(EgressVerdict.Allowed, $"allowed by {allow}", new(IPAddress.Loopback, port))
            : new(EgressVerdict.Denied, $"the host itself; allow it with host:{port}");
    }

    private EgressDecision DecideShut(AddressClass kind, IPNetwork? block, IPEndPoint target, IReadOnlyCollection<string> names)
    {
        if (Find(_deny, names, target) is { } deny) return new(EgressVerdict.Denied, $"denied by {deny}");
        if (Array.Find(_allow ?? [], r => Unlocks(r, kind, block, target)) is { } allow)
            return new(EgressVerdict.Allowed, $"allowed by {allow}", target);
        return new(EgressVerdict.Denied, kind switch
        {
            AddressClass.Host => "an address of the host itself",
            AddressClass.Metadata => "a metadata service",
            AddressClass.Private => "a private address",
            AddressClass.LinkLocal => "a link-local address",
            AddressClass.Multicast => "a multicast address",
            AddressClass.Embedded => "carries an IPv4 address that is not public",
            _ => "a reserved address",
        });
    }

    /// <summary>
    /// A range opens only what it lies in as a whole: <c>10.0.0.0/8</c> means private addresses, <c>0.0.0.0/0</c> does
    /// not. The host's own and metadata addresses take a rule for that one address.
    /// </summary>
    private static bool Unlocks(NetworkRule rule, AddressClass kind, IPNetwork? block, IPEndPoint target)
    {
        if (rule.Kind != NetworkRuleKind.AddressRange || !MatchesAddress(rule, target)) return false;
        var range = rule.Range!.Value;
        var single = range.PrefixLength == (range.BaseAddress.GetAddressBytes().Length * 8);
        if (single) return true;
        return kind is AddressClass.Private or AddressClass.LinkLocal or AddressClass.Multicast or AddressClass.Reserved
            && block is { } within && range.PrefixLength >= within.PrefixLength;
    }

    private static NetworkRule? Find(NetworkRule[] rules, IReadOnlyCollection<string> names, IPEndPoint target) =>
        Array.Find(rules, r => MatchesPort(r, target.Port) && (MatchesAddress(r, target)
            || r.Kind == NetworkRuleKind.Anything || names.Any(n => MatchesName(r, n))));

    private static bool MatchesPort(NetworkRule rule, int port) => rule.Ports is not { } ports || ports.Contains(port);

    private static bool MatchesAddress(NetworkRule rule, IPEndPoint target) =>
        rule.Kind == NetworkRuleKind.AddressRange && MatchesPort(rule, target.Port)
        && rule.Range!.Value.BaseAddress.AddressFamily == target.AddressFamily && rule.Range.Value.Contains(target.Address);

    private static bool MatchesName(NetworkRule rule, string name) => rule.Kind switch
    {
        NetworkRuleKind.Anything => true,
        NetworkRuleKind.HostName => name == rule.Name,
        NetworkRuleKind.Subdomains => name.Length > rule.Name!.Length + 1
            && name.EndsWith(rule.Name, StringComparison.Ordinal) && name[^(rule.Name.Length + 1)] == '.',
        _ => false,
    };

    private static NetworkRule[] Parse(IReadOnlyList<string> rules) => [.. rules.Select(text =>
        NetworkRule.TryParse(text, out var rule, out var problem)
            ? rule
            : throw new UserException(ExitCodes.BadFile, $"The network rule '{text}' cannot be read: {problem}."))];
}

using System.Net;
using RunnerVm.Egress;
using RunnerVm.Jobs;
using Xunit;

namespace RunnerVm.Tests.Executor.Egress;

public sealed class EgressPolicyTests
{
    private static readonly HostAddresses Host = new([IPAddress.Parse("203.0.113.1"), IPAddress.Parse("2001:db8::1"), IPAddress.Parse("10.0.0.5")]);

    private static EgressPolicy Policy(string[]? allow = null, string[]? deny = null, bool auditOnly = false) =>
        EgressPolicy.Compile(new(NetworkKind.Filtered, allow, deny, auditOnly), Host);

    private static EgressVerdict Decide(EgressPolicy policy, string address, int port = 443, params string[] names) =>
        policy.Decide(names, IPAddress.Parse(address), port).Verdict;

    public static TheoryData<string> Shut { get; } =
    [
        "203.0.113.1", "2001:db8::1", "::ffff:203.0.113.1",
        "0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "::", "::1", "::ffff:127.0.0.1", "::127.0.0.1",
        "10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255", "100.64.0.0", "100.127.255.255",
        "fc00::1", "fdff:ffff::1", "fec0::1",
        "169.254.0.1", "169.254.255.255", "fe80::1", "febf::1",
        "169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254",
        "224.0.0.1", "239.255.255.255", "ff02::1", "255.255.255.255", "240.0.0.1", "192.0.0.8", "198.18.0.2", "198.19.255.255",
        "::ffff:10.1.2.3", "::ffff:169.254.169.254", "::10.1.2.3", "::ffff:0:10.1.2.3",
        "64:ff9b::10.1.2.3", "64:ff9b::169.254.169.254", "64:ff9b::127.0.0.1", "64:ff9b::203.0.113.1", "64:ff9b::168.63.129.16",
        "64:ff9b:1::203.0.113.9", "2002:a01:203::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:cb00:7101::1",
        "2001:db8::5efe:10.1.2.3", "2001:db8::200:5efe:10.1.2.3", "2001::1", "100::1",
    ];

    public static TheoryData<string> Open { get; } =
    [
        "203.0.113.2", "192.0.2.1", "198.51.100.1", "8.8.8.8", "1.0.0.0", "9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0",
        "100.63.255.255", "100.128.0.0", "169.253.255.255", "169.255.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
        "198.20.0.0", "223.255.255.255", "2001:db8::2", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
    ];

    [Theory]
    [MemberData(nameof(Shut))]
    public void The_host_private_and_special_addresses_are_shut_whatever_their_name(string address)
    {
        Assert.Equal(EgressVerdict.Denied, Decide(Policy(), address));
        Assert.Equal(EgressVerdict.Denied, Decide(Policy(["*", "good.example", "0.0.0.0/0", "::/0"]), address, 443, "good.example"));
        Assert.Equal(EgressVerdict.Denied, Decide(Policy(auditOnly: true), address, 443, "good.example"));
    }

    [Theory]
    [MemberData(nameof(Open))]
    public void Public_addresses_are_open_by_default(string address) => Assert.Equal(EgressVerdict.Allowed, Decide(Policy(), address));

    [Theory]
    [InlineData("10.0.0.0/8", "10.1.2.3", true)]
    [InlineData("10.1.0.0/16", "10.1.2.3", true)]
    [InlineData("10.1.2.3", "10.1.2.3", true)]
    [InlineData("10.1.2.3:443", "10.1.2.3", true)]
    [InlineData("10.1.2.3:80", "10.1.2.3", false)]
    [InlineData("10.2.0.0/16", "10.1.2.3", false)]
    [InlineData("0.0.0.0/0", "10.1.2.3", false)]
    [InlineData("8.0.0.0/5", "10.1.2.3", false)]
    [InlineData("10.0.0.0/8", "::ffff:10.1.2.3", true)]
    [InlineData("10.0.0.0/8", "64:ff9b::10.1.2.3", false)]
    [InlineData("10.0.0.0/8", "10.0.0.5", false)]
    [InlineData("10.0.0.5", "10.0.0.5", true)]
    [InlineData("203.0.113.0/24", "203.0.113.1", false)]
    [InlineData("203.0.113.1", "203.0.113.1", true)]
    [InlineData("169.254.0.0/16", "169.254.1.1", true)]
    [InlineData("169.254.0.0/16", "169.254.169.254", false)]
    [InlineData("169.254.169.254", "169.254.169.254", true)]
    [InlineData("127.0.0.0/8", "127.0.0.1", false)]
    [InlineData("fc00::/7", "fd12::1", true)]
    [InlineData("::/0", "fd12::1", false)]
    [InlineData("host:443", "127.0.0.1", false)]
    public void A_shut_address_opens_to_a_rule_for_that_address_only(string rule, string address, bool opens) =>
        Assert.Equal(opens ? EgressVerdict.Allowed : EgressVerdict.Denied, Decide(Policy([rule]), address));

    [Fact]
    public void A_name_that_turns_to_an_inner_address_does_not_open_it()
    {
        var policy = Policy(["rebind.example"]);
        Assert.Equal(EgressVerdict.Allowed, Decide(policy, "203.0.113.9", 80, "rebind.example"));
        Assert.Equal(EgressVerdict.Denied, Decide(policy, "127.0.0.1", 80, "rebind.example"));
        Assert.Equal(EgressVerdict.Denied, Decide(policy, "10.0.0.5", 80, "rebind.example"));
    }

    [Theory]
    [InlineData("github.com", "github.com", true)]
    [InlineData("github.com", "api.github.com", false)]
    [InlineData("github.com", "notgithub.com", false)]
    [InlineData("*.debian.org", "deb.debian.org", true)]
    [InlineData("*.debian.org", "a.b.debian.org", true)]
    [InlineData("*.debian.org", "debian.org", false)]
    [InlineData("*.debian.org", "evildebian.org", false)]
    [InlineData("*.debian.org:443", "deb.debian.org", true)]
    [InlineData("*.debian.org:80", "deb.debian.org", false)]
    [InlineData("*.debian.org:400-500", "deb.debian.org", true)]
    [InlineData("*:443", "anything.example", true)]
    [InlineData("*:80", "anything.example", false)]
    public void An_allow_list_lets_its_names_through_and_nothing_else(string rule, string name, bool passes)
    {
        Assert.Equal(passes ? EgressVerdict.Allowed : EgressVerdict.Denied, Decide(Policy([rule]), "203.0.113.9", 443, name));
        Assert.Equal(EgressVerdict.Denied, Decide(Policy(["other.example"]), "203.0.113.9", 443, name));
    }

    [Fact]
    public void An_empty_allow_list_allows_nothing() => Assert.Equal(EgressVerdict.Denied, Decide(Policy([]), "203.0.113.9"));

    [Fact]
    public void Deny_wins_over_allow_by_name_address_and_port()
    {
        Assert.Equal(EgressVerdict.Denied, Decide(Policy(["*"], ["evil.example"]), "203.0.113.9", 443, "evil.example"));
        Assert.Equal(EgressVerdict.Denied, Decide(Policy(["*"], ["evil.example"]), "203.0.113.9", 443, "cdn.example", "evil.example"));
        Assert.Equal(EgressVerdict.Denied, Decide(Policy(["*"], ["203.0.113.0/24"]), "203.0.113.9"));
        Assert.Equal(EgressVerdict.Denied, Decide(Policy(["*"], ["*:25"]), "203.0.113.9", 25));
        Assert.Equal(EgressVerdict.Allowed, Decide(Policy(["*"], ["*:25"]), "203.0.113.9", 26));
        Assert.Equal(EgressVerdict.Denied, Decide(Policy(["10.0.0.0/8"], ["10.1.0.0/16"]), "10.1.2.3"));
    }

    [Fact]
    public void Audit_mode_lets_through_what_the_lists_deny_and_says_so()
    {
        var policy = Policy(["good.example"], ["evil.example"], auditOnly: true);
        Assert.Equal(EgressVerdict.Audited, Decide(policy, "203.0.113.9", 443, "evil.example"));
        Assert.Equal(EgressVerdict.Audited, Decide(policy, "203.0.113.9"));
        Assert.Equal(EgressVerdict.Allowed, Decide(policy, "203.0.113.9", 443, "good.example"));
        Assert.True(policy.DecideName("evil.example").MayPass);
    }

    [Fact]
    public void The_hosts_loopback_opens_by_port_and_is_dialled_there()
    {
        var policy = Policy(["host:8080", "host:9000-9001"]);
        var decision = policy.Decide([], AddressPlan.HostAlias, 8080);
        Assert.Equal(new IPEndPoint(IPAddress.Loopback, 8080), decision.Target);
        Assert.True(policy.Decide([], IPAddress.Parse("::ffff:198.18.0.1"), 9001).MayPass);
        Assert.False(policy.Decide([], AddressPlan.HostAlias, 8081).MayPass);
        Assert.False(Policy().Decide([], AddressPlan.HostAlias, 8080).MayPass);
        Assert.False(Policy(["host:8080"], ["host:8080"]).Decide([], AddressPlan.HostAlias, 8080).MayPass);
        Assert.False(Policy(["*"], auditOnly: true).Decide([], AddressPlan.HostAlias, 8080).MayPass);
    }

    [Fact]
    public void Names_are_looked_up_only_when_something_could_be_reached_by_them()
    {
        Assert.True(Policy().DecideName("any.example").MayPass);
        Assert.False(Policy(["good.example", "10.0.0.0/8"]).DecideName("any.example").MayPass);
        Assert.True(Policy(["good.example:443"]).DecideName("good.example").MayPass);
        Assert.True(Policy(["*:443"]).DecideName("any.example").MayPass);
        Assert.False(Policy(deny: ["evil.example"]).DecideName("evil.example").MayPass);
        Assert.True(Policy(deny: ["evil.example:25"]).DecideName("evil.example").MayPass);
    }

    [Fact]
    public void Without_network_nothing_passes()
    {
        var policy = EgressPolicy.Compile(new(NetworkKind.None, ["*", "host:80"]), Host);
        Assert.False(policy.Decide([], IPAddress.Parse("203.0.113.9"), 80).MayPass);
        Assert.False(policy.Decide([], AddressPlan.HostAlias, 80).MayPass);
        Assert.False(policy.DecideName("a.example").MayPass);
    }

    [Fact]
    public void A_rule_that_cannot_be_read_is_told_with_its_text()
    {
        var e = Assert.Throws<UserException>(() => Policy(["http://x/"]));
        Assert.Contains("http://x/", e.Message);
        Assert.Equal(ExitCodes.BadFile, e.ExitCode);
    }

    [Fact]
    public void This_hosts_own_addresses_are_known()
    {
        var found = new HostAddresses(TimeProvider.System).Current;
        Assert.Contains(IPAddress.Loopback, found);
    }

    [Fact]
    public void Learned_names_are_bounded_and_latest_first()
    {
        var learned = new LearnedNames();
        var address = IPAddress.Parse("203.0.113.9");
        for (var i = 0; i < 20; i++) learned.Learn(address, [$"n{i}.example"]);
        Assert.Equal(8, learned.Of(IPAddress.Parse("::ffff:203.0.113.9")).Count);
        Assert.Equal("n19.example", learned.Of(address)[0]);
        for (var i = 0; i < 9000; i++) learned.Learn(new IPAddress([11, 0, (byte)(i >> 8), (byte)i]), ["x"]);
        Assert.Empty(learned.Of(address));
        Assert.Empty(learned.Of(new IPAddress([11, 0, 0, 0])));
    }
}

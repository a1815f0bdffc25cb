using System.Net;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using RunnerVm.Egress;
using Xunit;

namespace RunnerVm.Tests.Executor.Egress;

public sealed class NetworkRuleTests
{
    [Theory]
    [InlineData("github.com", NetworkRuleKind.HostName, "github.com")]
    [InlineData("GitHub.com.", NetworkRuleKind.HostName, "github.com")]
    [InlineData("registry:5000", NetworkRuleKind.HostName, "registry:5000")]
    [InlineData("*.debian.org:443", NetworkRuleKind.Subdomains, "*.debian.org:443")]
    [InlineData("*", NetworkRuleKind.Anything, "*")]
    [InlineData("*:80-443", NetworkRuleKind.Anything, "*:80-443")]
    [InlineData("10.0.0.0/8:5432", NetworkRuleKind.AddressRange, "10.0.0.0/8:5432")]
    [InlineData("192.0.2.7", NetworkRuleKind.AddressRange, "192.0.2.7")]
    [InlineData("0.0.0.0/0", NetworkRuleKind.AddressRange, "0.0.0.0/0")]
    [InlineData("2001:db8::/32", NetworkRuleKind.AddressRange, "2001:db8::/32")]
    [InlineData("[2001:db8::1]:443", NetworkRuleKind.AddressRange, "[2001:db8::1]:443")]
    [InlineData("[2001:db8::/32]:443", NetworkRuleKind.AddressRange, "[2001:db8::/32]:443")]
    [InlineData("::ffff:10.0.0.0/104", NetworkRuleKind.AddressRange, "10.0.0.0/8")]
    [InlineData("host:8080", NetworkRuleKind.HostLoopback, "host:8080")]
    [InlineData("host:8000-8010", NetworkRuleKind.HostLoopback, "host:8000-8010")]
    public void Rules_are_read_as_people_write_them(string text, object kind, string shortest)
    {
        Assert.True(NetworkRule.TryParse(text, out var rule, out var problem), problem);
        Assert.Equal((NetworkRuleKind)kind, rule.Kind);
        Assert.Equal(shortest, rule.ToString());
        Assert.True(NetworkRule.TryParse(rule.ToString(), out var again, out _));
        Assert.Equal(rule, again);
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData(null, "empty")]
    [InlineData("host", "host:8080")]
    [InlineData("localhost:80", "host:8080")]
    [InlineData("https://github.com/", "scheme")]
    [InlineData("github.com/foo", "no path")]
    [InlineData("github.com 443", "spaces")]
    [InlineData("github.com:", "port")]
    [InlineData("github.com:0", "port")]
    [InlineData("github.com:65536", "port")]
    [InlineData("github.com:90-80", "port")]
    [InlineData("github.com:https", "port")]
    [InlineData("10.0.0.5/8", "10.0.0.0/8 or 10.0.0.5")]
    [InlineData("10.0.0.0/33", "0 to 32")]
    [InlineData("10.0.0", "no IP address")]
    [InlineData("010.0.0.1", "no IP address")]
    [InlineData("2130706433", "no IP address")]
    [InlineData("0x7f.0.0.1", "neither an address")]
    [InlineData("1.2.3.4.5", "no IP address")]
    [InlineData("fe80::1%eth0", "no IP address")]
    [InlineData("[fe80::1", "brackets")]
    [InlineData("[10.0.0.1]:80", "brackets")]
    [InlineData("[fe80::1]443", "brackets")]
    [InlineData("*debian.org", "star")]
    [InlineData("a.*.org", "star")]
    [InlineData("*.", "no host name")]
    [InlineData("bücher.example", "xn--")]
    [InlineData("-a.example", "no host name")]
    [InlineData("a..example", "no host name")]
    public void What_is_no_rule_is_refused_with_a_reason(string? text, string reason)
    {
        Assert.False(NetworkRule.TryParse(text, out var rule, out var problem));
        Assert.Null(rule);
        Assert.Contains(reason, problem);
    }

    [Fact]
    public void A_range_and_ports_contain_what_they_say()
    {
        Assert.True(NetworkRule.TryParse("10.0.0.0/8:8000-8010", out var rule, out _));
        Assert.True(rule.Range!.Value.Contains(IPAddress.Parse("10.255.0.1")));
        Assert.False(rule.Range!.Value.Contains(IPAddress.Parse("11.0.0.1")));
        Assert.True(rule.Ports!.Value.Contains(8010));
        Assert.False(rule.Ports!.Value.Contains(8011));
    }

    [Property(MaxTest = 1000)]
    public bool No_text_does_anything_but_parse_or_give_a_problem(string? text) => IsAnswered(text);

    [Property(MaxTest = 2000)]
    public Property No_text_of_likely_characters_does_either() => Prop.ForAll(
        Arb.From(Gen.Elements("0129abf.:/[]*-%host ".ToCharArray()).ArrayOf().Select(c => new string(c))), IsAnswered);

    /// <summary>Whatever parses also reads back from its shortest form.</summary>
    private static bool IsAnswered(string? text)
    {
        if (!NetworkRule.TryParse(text, out var rule, out var problem)) return problem.Length > 0;
        return NetworkRule.TryParse(rule.ToString(), out var again, out _) && again == rule;
    }
}

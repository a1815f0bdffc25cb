using System.Security.Cryptography;
using System.Text.Json;
using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>What a job can reach and what not, in a network that holds both.</summary>
public sealed class EgressTests(EgressLab lab) : IClassFixture<EgressLab>
{
    /// <summary>Prints for each URL what came back, or that nothing did.</summary>
    private const string Get = """
        get() { for url in "$@"; do echo "$url: $(curl --silent --max-time 20 "$url" || echo no)"; done; }
        """;

    [Fact]
    public async Task By_default_the_internet_is_open_and_everything_inside_is_shut()
    {
        var done = (await lab.ExecAsync(Job($$"""
            get http://good.example/ http://{{EgressLab.Server}}/ http://six.example/ http://[{{EgressLab.Server6}}]/
            get http://private.example/ http://{{EgressLab.Private}}/ http://metadata.example/ http://{{EgressLab.Metadata}}/
            get http://host:{{EgressWorld.HostPort}}/ http://{{EgressLab.OwnAddress}}:{{EgressWorld.HostPort}}/
            get http://rebind.example/first
            get http://rebind.example/second
            """, "open"), "--quiet")).ExpectExit(0);
        Assert.Equal(
            [
                $"http://good.example/: / at {EgressLab.Server}",
                $"http://{EgressLab.Server}/: / at {EgressLab.Server}",
                $"http://six.example/: / at {EgressLab.Server6}",
                $"http://[{EgressLab.Server6}]/: / at {EgressLab.Server6}",
                "http://private.example/: no",
                $"http://{EgressLab.Private}/: no",
                "http://metadata.example/: no",
                $"http://{EgressLab.Metadata}/: no",
                $"http://host:{EgressWorld.HostPort}/: no",
                $"http://{EgressLab.OwnAddress}:{EgressWorld.HostPort}/: no",
                $"http://rebind.example/first: /first at {EgressLab.Server}",
                "http://rebind.example/second: no",
            ],
            done.Output.TrimEnd('\n').Split('\n'));
        AssertNothingInsideWasAsked();

        var audit = await AuditAsync();
        AssertLine(audit, "good.example", EgressLab.Server, 80, "allowed", "public");
        AssertLine(audit, "six.example", EgressLab.Server6, 80, "allowed", "public");
        AssertLine(audit, "private.example", EgressLab.Private, 80, "denied", "a private address");
        AssertLine(audit, "metadata.example", EgressLab.Metadata, 80, "denied", "a metadata service");
        AssertLine(audit, "rebind.example", EgressLab.Private, 80, "denied", "a private address");
        AssertLine(audit, "host", "198.18.0.1", EgressWorld.HostPort, "denied", "the host itself; allow it with host:8099");
        AssertLine(audit, null, EgressLab.OwnAddress, EgressWorld.HostPort, "denied", "an address of the host itself");
        var good = audit.First(static line => line.GetProperty("verdict").GetString() == "allowed");
        Assert.Equal("script", good.GetProperty("stepName").GetString());
        Assert.InRange(good.GetProperty("bytesUp").GetInt64(), 50, 500);
        Assert.InRange(good.GetProperty("bytesDown").GetInt64(), 50, 500);
    }

    [Fact]
    public async Task Lists_open_what_they_name_and_nothing_else()
    {
        var done = (await lab.ExecAsync(Job($$"""
            get http://{{EgressLab.Server}}/unnamed
            get http://good.example/ http://good.example:81/ http://bad.example/ http://other.test/
            get http://host:{{EgressWorld.HostPort}}/ http://host:22/ http://{{EgressLab.Private}}/allowed http://private.example/
            """, """{allow: ["*.example:80", "host:8099", "10.99.0.1:80"], deny: [bad.example]}"""), "--quiet")).ExpectExit(0);
        Assert.Equal(
            [
                $"http://{EgressLab.Server}/unnamed: no",
                $"http://good.example/: / at {EgressLab.Server}",
                "http://good.example:81/: no",
                "http://bad.example/: no",
                "http://other.test/: no",
                $"http://host:{EgressWorld.HostPort}/: / at 127.0.0.1",
                "http://host:22/: no",
                $"http://{EgressLab.Private}/allowed: /allowed at {EgressLab.Private}",
                $"http://private.example/: / at {EgressLab.Private}",
            ],
            done.Output.TrimEnd('\n').Split('\n'));
        // A name that leads nowhere is not even looked up.
        Assert.DoesNotContain("dns other.test", lab.Requests);

        var audit = await AuditAsync();
        AssertLine(audit, "good.example", EgressLab.Server, 80, "allowed", "allowed by *.example:80");
        Assert.Contains(audit, static line => Text(line, "name") == "bad.example" && Text(line, "verdict") == "denied" && Text(line, "reason") == "denied by bad.example");
        Assert.Contains(audit, static line => Text(line, "name") == "other.test" && Text(line, "verdict") == "denied" && Text(line, "protocol") == "dns");
        AssertLine(audit, "host", "198.18.0.1", EgressWorld.HostPort, "allowed", "allowed by host:8099");
    }

    [Fact]
    public async Task Audit_mode_lets_through_and_writes_down_but_opens_nothing_inside()
    {
        var done = (await lab.ExecAsync(
            Job($"get http://good.example/ http://{EgressLab.Metadata}/audited", "{allow: [nothing.example], mode: audit}"))).ExpectExit(0);
        Assert.Contains($"http://good.example/: / at {EgressLab.Server}\n", done.Output);
        Assert.Contains($"http://{EgressLab.Metadata}/audited: no\n", done.Output);
        Assert.Contains($"denied once: {EgressLab.Metadata} port 80", done.Error);
        var audit = await AuditAsync();
        AssertLine(audit, "good.example", EgressLab.Server, 80, "audited", "not in the allow list");
        AssertNothingInsideWasAsked();
    }

    [Fact]
    public async Task A_job_without_a_network_reaches_nothing()
    {
        var before = lab.Requests.Count;
        var done = (await lab.ExecAsync(Job($"get http://good.example/ http://{EgressLab.Server}/ http://[{EgressLab.Server6}]/", "none"), "--quiet")).ExpectExit(0);
        Assert.Equal(3, done.Output.Split(": no\n").Length - 1);
        Assert.Equal(before, lab.Requests.Count);
    }

    [Fact]
    public async Task Many_connections_and_a_large_download_arrive_whole()
    {
        var connections = Runner.Soak ? 1000 : 200;
        var bytes = Runner.Soak ? 1L << 30 : 50L << 20;
        var done = (await lab.ExecAsync(Job($$"""
            curl --silent --parallel --parallel-max 100 "http://good.example/n/[1-{{connections}}]" | sort -u | wc -l
            curl --silent http://good.example/bytes/{{bytes}} | sha256sum
            """, "open"), "--quiet")).ExpectExit(0);
        Assert.Equal($"{connections}\n{Hash(bytes)}  -\n", done.Output);
        var audit = await AuditAsync();
        Assert.Equal(connections + 1, audit.Count(static line => Text(line, "verdict") == "allowed"));
        Assert.Contains(audit, line => line.GetProperty("bytesDown").GetInt64() > bytes);
    }

    private static string Job(string script, string network) =>
        $"job:\n  workspace: none\n  steps:\n  - name: script\n    run: |\n{Indent(Get)}{Indent(script)}runner:\n  network: {network}\n  timeout: 8m\n";

    private static string Indent(string text) => string.Concat(text.Split('\n').Select(static line => $"      {line}\n"));

    private void AssertNothingInsideWasAsked()
    {
        Assert.DoesNotContain(lab.Requests, static line => line.StartsWith($"http {EgressLab.Metadata}", StringComparison.Ordinal));
        Assert.DoesNotContain(lab.Requests, static line => line.Contains("/second", StringComparison.Ordinal));
    }

    /// <summary>The audit of the job that ran last.</summary>
    private static async Task<IReadOnlyList<JsonElement>> AuditAsync()
    {
        var file = new DirectoryInfo(Path.Combine(Runner.Home, "logs")).GetFiles("*.egress.jsonl").MaxBy(static f => f.LastWriteTimeUtc)!;
        var lines = await File.ReadAllLinesAsync(file.FullName);
        return [.. lines.Select(static line => JsonDocument.Parse(line).RootElement)];
    }

    private static void AssertLine(IReadOnlyList<JsonElement> audit, string? name, string address, int port, string verdict, string reason) =>
        Assert.True(
            audit.Any(line => Text(line, "name") == name && Text(line, "address") == address && line.GetProperty("port").GetInt32() == port
                && Text(line, "verdict") == verdict && Text(line, "reason") == reason),
            $"no line {name} {address}:{port} {verdict}: {reason} in\n{string.Join('\n', audit)}");

    private static string? Text(JsonElement line, string member) => line.TryGetProperty(member, out var value) ? value.GetString() : null;

    private static string Hash(long bytes)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var offset = 0L; offset < bytes; offset += 1 << 16) hash.AppendData(EgressWorld.Piece(offset, (int)Math.Min(1 << 16, bytes - offset)));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}

using System.Net;
using System.Text;
using System.Text.Json;
using RunnerVm.Egress;
using Xunit;

namespace RunnerVm.Tests.Executor.Egress;

public sealed class EgressAuditTests
{
    private static string[] Lines(MemoryStream stream) =>
        Encoding.UTF8.GetString(stream.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries);

    [Fact]
    public async Task Beyond_the_bound_things_are_only_counted()
    {
        var stream = new MemoryStream();
        var audit = new EgressAudit(stream, () => null, TimeProvider.System, maximumLines: 10);
        for (var i = 0; i < 25; i++) audit.Finish(audit.Begin(null, IPAddress.Parse("203.0.113.9"), 80), EgressVerdict.Allowed, "public", 1, 2);
        await audit.DisposeAsync();
        Assert.Equal(10, Lines(stream).Length);
        var summary = audit.Summarize();
        Assert.Equal((25, 25L, 50L, 15L), (summary.Connections, summary.BytesUp, summary.BytesDown, summary.UnwrittenLines));
    }

    [Fact]
    public async Task Nothing_a_guest_names_can_break_a_line()
    {
        var stream = new MemoryStream();
        var audit = new EgressAudit(stream, () => new EgressStep(0, "a\nb\u001b[2J"), TimeProvider.System);
        audit.Name("x\u001b]0;y\n\u202e.example", EgressVerdict.Denied, "not in the allow list");
        await audit.DisposeAsync();
        var line = Assert.Single(Lines(stream));
        Assert.DoesNotContain(line, char.IsControl);
        Assert.DoesNotContain('\u202e', line);
        Assert.Equal("a\nb\u001b[2J", JsonDocument.Parse(line).RootElement.GetProperty("stepName").GetString());
    }

    [Fact]
    public async Task The_summary_has_the_busiest_first_and_the_refused_apart()
    {
        await using var audit = new EgressAudit(new MemoryStream(), () => null, TimeProvider.System);
        var address = IPAddress.Parse("203.0.113.9");
        for (var i = 0; i < 5; i++) audit.Finish(audit.Begin($"n{i}.example", address, 443), EgressVerdict.Allowed, "", 0, i * 100);
        audit.Finish(audit.Begin("evil.example", address, 443), EgressVerdict.Denied, "");
        audit.Name("evil.example", EgressVerdict.Denied, "");
        audit.Name("evil.example", EgressVerdict.Denied, "");
        var summary = audit.Summarize(destinations: 3);
        Assert.Equal(["n4.example", "n3.example", "n2.example"], summary.Destinations.Select(d => d.Name));
        Assert.Equal(2, summary.OtherDestinations);
        Assert.Equal([("evil.example", 0, 2), ("evil.example", 443, 1)], summary.Refused.Select(d => (d.Name, d.Port, d.Denied)));
        Assert.Equal((6, 1, 2), (summary.Connections, summary.DeniedConnections, summary.DeniedNames));
    }

    [Fact]
    public async Task Invented_destinations_do_not_fill_the_memory()
    {
        await using var audit = new EgressAudit(Stream.Null, () => null, TimeProvider.System, maximumLines: 1);
        for (var i = 0; i < 12_000; i++) audit.Name($"n{i}.example", EgressVerdict.Denied, "");
        Assert.Equal((12_000, "(others)", 2_000), (audit.Summarize().DeniedNames, audit.Summarize().Refused[0].Name, audit.Summarize().Refused[0].Denied));
    }

    [Fact]
    public async Task The_file_is_its_owners_alone()
    {
        var path = Path.Join(Path.GetTempPath(), $"audit-{Guid.NewGuid():N}.jsonl");
        try
        {
            await using (var audit = EgressAudit.Create(path, () => null, TimeProvider.System)) audit.Name("a", EgressVerdict.Failed, "b");
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
            Assert.Single(await File.ReadAllLinesAsync(path));
        }
        finally
        {
            File.Delete(path);
        }
    }
}

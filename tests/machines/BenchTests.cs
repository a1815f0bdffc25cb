using System.Text.Json;
using System.Xml.Linq;
using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>A small bench of one engine, as a person runs it.</summary>
public sealed class BenchTests(SnapshotHome home) : IClassFixture<SnapshotHome>
{
    [Fact]
    public async Task A_bench_measures_cold_and_restored_starts_and_leaves_its_picture_and_nothing_else()
    {
        using var folder = new TestFolder();
        var picture = folder.File("bench.svg");
        var runs = Runner.Soak ? "20" : "1";
        string[] little = Runner.Soak ? [] : ["--no-loops"];
        var done = (await home.RunAsync(
            ["bench", "--engine", "qemu", "--runs", runs, "--at-once", "2", "--no-others", "--json", "--svg", picture, .. little, .. SnapshotHome.Kind])).ExpectExit(0);
        var root = JsonDocument.Parse(done.Output).RootElement;
        var starts = root.GetProperty("starts").EnumerateArray().ToList();
        Assert.Equal(["qemu, cold", "qemu, restored"], starts.Select(static s => s.GetProperty("name").GetString()));
        Assert.All(starts, static s =>
        {
            var (first, exit) = (s.GetProperty("firstLine").GetProperty("p50").GetDouble(), s.GetProperty("exit").GetProperty("p50").GetDouble());
            Assert.True(first > 0 && first <= exit, $"first line after {first} ms, exit after {exit} ms");
            Assert.True(s.GetProperty("pssMib").GetDouble() > 10, "the machine's memory was not seen");
            Assert.True(s.GetProperty("cpuMilliseconds").GetDouble() > 0, "the machine's processor time was not seen");
            Assert.Equal(2, s.GetProperty("exitAtOnce").GetProperty("samples").GetArrayLength());
        });
        Assert.Equal("svg", XDocument.Load(picture).Root!.Name.LocalName);
        Assert.Contains("qemu, cold: 2 at once", done.Error, StringComparison.Ordinal);
        TestContext.Current.TestOutputHelper?.WriteLine(done.Output);
        home.AssertNothingLeft();
    }
}

using System.Globalization;
using System.Text.Json;
using System.Xml.Linq;
using RunnerVm.Operate.Bench;
using Xunit;

namespace RunnerVm.Tests.Executor.Operate.Bench;

/// <summary>One report in its three forms.</summary>
public sealed class BenchReportTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    private static readonly BenchReport Report = new(
        new("A <fast> CPU & more", 2, "6.1.0", 0.5, "debian-12, 1 CPU, 256 MiB"), DateTimeOffset.UnixEpoch, 5,
        [Start("qemu, cold", 2100, 2500), Start("qemu, restored", 90, 150), Start("podman run", 100, 160) with { CpuMilliseconds = null, PssMib = null, PssMibAtOnce = null }],
        [new("qemu, cold", new Dictionary<string, double?> { ["cpu"] = 8.25, ["syscall"] = 31, ["file"] = 12.5, ["compile"] = null })],
        ["docker is not installed here."]);

    [Fact]
    public void Json_has_every_single_time_and_what_is_unknown_is_null()
    {
        var root = JsonDocument.Parse(Report.ToJson()).RootElement;
        Assert.Equal(["host", "when", "runs", "starts", "loops", "skipped"], root.EnumerateObject().Select(static p => p.Name));
        var start = root.GetProperty("starts")[1];
        Assert.Equal(
            ["name", "firstLine", "exit", "atOnce", "firstLineAtOnce", "exitAtOnce", "cpuMilliseconds", "pssMib", "pssMibAtOnce"], start.EnumerateObject().Select(static p => p.Name));
        Assert.Equal(["p50", "p95", "p99", "mean", "samples"], start.GetProperty("exit").EnumerateObject().Select(static p => p.Name));
        Assert.Equal(5, start.GetProperty("exit").GetProperty("samples").GetArrayLength());
        Assert.Equal(JsonValueKind.Null, root.GetProperty("starts")[2].GetProperty("pssMib").ValueKind);
        Assert.Equal(JsonValueKind.Null, root.GetProperty("loops")[0].GetProperty("slowdown").GetProperty("compile").ValueKind);
    }

    [Fact]
    public void The_page_has_a_row_for_each_contender_and_a_dash_for_what_is_unknown()
    {
        var lines = BenchPage.Lines(Report).Split('\n');
        Assert.Contains(lines, static l => l.StartsWith("qemu, restored", StringComparison.Ordinal) && l.Contains("150", StringComparison.Ordinal));
        Assert.Contains(lines, static l => l.StartsWith("podman run", StringComparison.Ordinal) && l.EndsWith('-'));
        Assert.Contains(lines, static l => l.StartsWith("qemu, cold", StringComparison.Ordinal) && l.Contains("8.25", StringComparison.Ordinal) && l.EndsWith('-'));
        Assert.Equal("docker is not installed here.", lines[^2]);
        Assert.All(lines, static l => Assert.Equal(l.TrimEnd(), l));
    }

    [Fact]
    public void The_picture_is_well_formed_and_has_a_dot_for_each_run_where_its_time_is()
    {
        var svg = XDocument.Parse(BenchPicture.Draw(Report)).Root!;
        Assert.Equal(Svg + "svg", svg.Name);
        var (width, height) = (Number(svg, "width"), Number(svg, "height"));
        var dots = svg.Elements(Svg + "circle").ToList();
        Assert.Equal(Report.Starts.Sum(static s => s.Exit.Samples.Count), dots.Count);
        Assert.All(dots, d => Assert.True(Number(d, "cx") >= 0 && Number(d, "cx") <= width && Number(d, "cy") > 0 && Number(d, "cy") < height));
        // In a row the later is to the right, and a slow contender is to the right of a fast one.
        var rows = dots.GroupBy(static d => Number(d, "cy")).OrderBy(static g => g.Key).Select(static g => g.Select(static d => Number(d, "cx")).ToList()).ToList();
        Assert.All(rows, static r => Assert.Equal(r.Order(), r));
        Assert.True(rows[0][0] > rows[1][^1]);
        Assert.Contains(svg.Elements(Svg + "text"), static t => t.Value.Contains("A <fast> CPU & more", StringComparison.Ordinal));
    }

    [Fact]
    public void A_picture_of_one_value_is_still_one()
    {
        var same = new Distribution([0.5]);
        var report = Report with { Starts = [new("x", same, same, 1, same, same, 0, 0, 0)] };
        Assert.Single(XDocument.Parse(BenchPicture.Draw(report)).Root!.Elements(Svg + "circle"));
    }

    [Fact]
    public void Loops_are_compared_where_both_sides_have_the_tool()
    {
        var inside = Loops.Parse("oops\ncpu 800\nsyscall 100\nfile 30\ncompile -\n");
        var outside = Loops.Parse("cpu 100\nsyscall 50\nfile 0\ncompile 9\n");
        var slowdown = Loops.Compare("x", inside, outside).Slowdown;
        Assert.Equal((8, 2, null, null), (slowdown["cpu"], slowdown["syscall"], slowdown["file"], slowdown["compile"]));
        Assert.Throws<BenchException>(() => Loops.Parse("cpu 1\n"));
    }

    [Fact]
    public void Progress_is_one_line_on_a_terminal_and_a_line_a_subject_elsewhere()
    {
        var (terminal, file) = (new StringWriter(), new StringWriter());
        foreach (var progress in (BenchProgress[])[new(terminal, isTerminal: true), new(file, isTerminal: false)])
        {
            for (var run = 1; run <= 3; run++) progress.Say($"qemu, cold: start {run} of 3");
            progress.Say("qemu, cold: 8 at once");
            progress.Clear();
        }

        Assert.DoesNotContain('\n', terminal.ToString());
        Assert.EndsWith("\r\e[K", terminal.ToString(), StringComparison.Ordinal);
        Assert.Equal("qemu, cold: start 1 of 3\nqemu, cold: 8 at once\n", file.ToString());
    }

    private static double Number(XElement element, string name) => double.Parse(element.Attribute(name)!.Value, CultureInfo.InvariantCulture);

    private static StartFigures Start(string name, double first, double exit)
    {
        Distribution Around(double value) => new([value * 0.9, value * 0.95, value, value * 1.1, value * 1.3]);
        return new(name, Around(first), Around(exit), 8, Around(first * 4), Around(exit * 4), exit / 2, 40, 21);
    }
}

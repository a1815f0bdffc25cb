using System.Globalization;
using System.Text;

namespace RunnerVm.Operate.Bench;

/// <summary>The report as two tables of plain text.</summary>
internal static class BenchPage
{
    private const string Unknown = "-";

    public static string Lines(BenchReport report)
    {
        var host = report.Host;
        var text = new StringBuilder(string.Create(CultureInfo.InvariantCulture,
            $"{host.Cpu}, {host.Cpus} CPUs, Linux {host.Kernel}, load {host.Load:0.0}; image {host.Image}; {report.Runs} starts of each, milliseconds from its process's start\n\n"));
        Table(text, ["", "first line p50", "p95", "p99", "exit p50", "p95", "p99", "CPU", "PSS MiB"], report.Starts.Select(static s => (string[])
        [
            s.Name, Number(s.FirstLine.P50), Number(s.FirstLine.P95), Number(s.FirstLine.P99),
            Number(s.Exit.P50), Number(s.Exit.P95), Number(s.Exit.P99), Number(s.CpuMilliseconds), Number(s.PssMib),
        ]));
        if (report.Starts.Count > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n{report.Starts[0].AtOnce} at once\n\n");
            Table(text, ["", "first line p50", "last", "exit p50", "last", "PSS MiB each"], report.Starts.Select(static s => (string[])
            [
                s.Name, Number(s.FirstLineAtOnce.P50), Number(s.FirstLineAtOnce.Samples[^1]), Number(s.ExitAtOnce.P50), Number(s.ExitAtOnce.Samples[^1]), Number(s.PssMibAtOnce),
            ]));
        }

        if (report.Loops.Count > 0)
        {
            text.Append("\ntimes slower than on the host itself\n\n");
            Table(text, ["", .. Bench.Loops.Names], report.Loops.Select(static l => (string[])[l.Name, .. Bench.Loops.Names.Select(n => Number(l.Slowdown[n]))]));
        }

        foreach (var skipped in report.Skipped) text.Append('\n').Append(skipped);
        return text.Append(report.Skipped.Count > 0 ? "\n" : "").ToString();
    }

    /// <summary>The first column to the left, the others to the right.</summary>
    private static void Table(StringBuilder text, string[] heads, IEnumerable<string[]> rows)
    {
        string[][] all = [heads, .. rows];
        var widths = heads.Select((_, column) => all.Max(row => row[column].Length)).ToArray();
        foreach (var row in all)
        {
            var cells = row.Select((cell, column) => column == 0 ? cell.PadRight(widths[column]) : cell.PadLeft(widths[column]));
            text.Append(string.Join("  ", cells).TrimEnd()).Append('\n');
        }
    }

    /// <summary>Three digits that mean something.</summary>
    private static string Number(double? value) => value switch
    {
        null => Unknown,
        { } v => v.ToString(v >= 100 ? "0" : v >= 10 ? "0.0" : "0.00", CultureInfo.InvariantCulture),
    };
}

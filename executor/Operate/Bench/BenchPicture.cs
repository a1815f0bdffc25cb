using System.Globalization;
using System.Text;

namespace RunnerVm.Operate.Bench;

/// <summary>
/// The distribution of all starts as an SVG: a row for each contender, a dot for each run at the time of its end, marks at its
/// percentiles. Time is on a logarithmic scale, since contenders differ by orders of magnitude.
/// </summary>
internal static class BenchPicture
{
    private const int Width = 960, Left = 210, Right = 30, Top = 64, RowHeight = 44, Bottom = 46;

    public static string Draw(BenchReport report)
    {
        var scale = Scale.For(report.Starts.SelectMany(static s => s.Exit.Samples.Concat(s.FirstLine.Samples)));
        var height = Top + (RowHeight * report.Starts.Count) + Bottom;
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"""
            <svg xmlns="http://www.w3.org/2000/svg" width="{Width}" height="{height}" viewBox="0 0 {Width} {height}" font-family="sans-serif" font-size="12">
            <rect width="{Width}" height="{height}" fill="#fff"/>
            <text x="{Left}" y="24" font-size="15">From a process's start to its end, {report.Runs} starts of each</text>
            <text x="{Left}" y="42" fill="#666">{Escape($"{report.Host.Cpu}, {report.Host.Cpus} CPUs; line: first output; marks: p50, p95, p99")}</text>

            """);
        Axis(svg, scale, height);
        for (var row = 0; row < report.Starts.Count; row++) Row(svg, scale, report.Starts[row], Top + (RowHeight * row) + (RowHeight / 2));
        return svg.Append("</svg>\n").ToString();
    }

    private static void Axis(StringBuilder svg, Scale scale, int height)
    {
        foreach (var tick in scale.Ticks)
        {
            var x = scale.X(tick);
            svg.Append(CultureInfo.InvariantCulture, $"<line x1=\"{x:0.#}\" y1=\"{Top - 8}\" x2=\"{x:0.#}\" y2=\"{height - Bottom}\" stroke=\"#ddd\"/>\n");
            var label = tick >= 1000 ? $"{tick / 1000:0.#} s" : $"{tick:0.#} ms";
            svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{x:0.#}\" y=\"{height - Bottom + 18}\" text-anchor=\"middle\" fill=\"#666\">{label}</text>\n");
        }
    }

    private static void Row(StringBuilder svg, Scale scale, StartFigures start, int y)
    {
        svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{Left - 12}\" y=\"{y + 4}\" text-anchor=\"end\">{Escape(start.Name)}</text>\n");
        var first = scale.X(start.FirstLine.P50);
        svg.Append(CultureInfo.InvariantCulture, $"<line x1=\"{first:0.#}\" y1=\"{y}\" x2=\"{scale.X(start.Exit.P50):0.#}\" y2=\"{y}\" stroke=\"#9ecae1\" stroke-width=\"6\"/>\n");
        foreach (var sample in start.Exit.Samples)
            svg.Append(CultureInfo.InvariantCulture, $"<circle cx=\"{scale.X(sample):0.#}\" cy=\"{y}\" r=\"4\" fill=\"#08519c\" fill-opacity=\"0.35\"/>\n");
        foreach (var (percentile, colour) in ((double, string)[])[(start.Exit.P50, "#000"), (start.Exit.P95, "#d94801"), (start.Exit.P99, "#a50f15")])
        {
            var x = scale.X(percentile);
            svg.Append(CultureInfo.InvariantCulture, $"<line x1=\"{x:0.#}\" y1=\"{y - 12}\" x2=\"{x:0.#}\" y2=\"{y + 12}\" stroke=\"{colour}\" stroke-width=\"2\"/>\n");
        }

        svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{scale.X(start.Exit.P50):0.#}\" y=\"{y - 15}\" text-anchor=\"middle\" font-size=\"11\">{start.Exit.P50:0} ms</text>\n");
    }

    private static string Escape(string text) => text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal);

    /// <summary>From milliseconds to places, logarithmically, between two powers of ten or halves of them.</summary>
    private sealed record Scale(double Least, double Most, IReadOnlyList<double> Ticks)
    {
        private static readonly double[] Steps = [1, 2, 5];

        public static Scale For(IEnumerable<double> values)
        {
            var all = values.Where(static v => v > 0).DefaultIfEmpty(1).ToList();
            var ticks = new List<double>();
            for (var power = 0.001; power < 1e9; power *= 10)
                ticks.AddRange(Steps.Select(s => s * power));
            var first = ticks.FindLastIndex(t => t <= all.Min());
            var last = ticks.FindIndex(t => t >= all.Max());
            (first, last) = (Math.Max(first, 0), last < 0 ? ticks.Count - 1 : Math.Max(last, first + 1));
            return new(ticks[first], ticks[last], ticks[first..(last + 1)]);
        }

        public double X(double value)
        {
            var share = (Math.Log(Math.Max(value, Least)) - Math.Log(Least)) / (Math.Log(Most) - Math.Log(Least));
            return Left + (Math.Clamp(share, 0, 1) * (Width - Left - Right));
        }
    }
}

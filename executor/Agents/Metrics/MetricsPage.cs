using System.Globalization;
using System.Text;
using RunnerVm.Leases;
using RunnerVm.Sources;

namespace RunnerVm.Agents.Metrics;

/// <summary>The agent's figures in Prometheus' text format.</summary>
internal sealed class MetricsPage(AgentMetrics metrics, Capacity capacity, IReadOnlyList<IForge> forges)
{
    public string Write()
    {
        var page = new StringBuilder();
        WriteCapacity(page);
        Head(page, "runnervm_jobs_total", "counter", "Jobs that ended, by how.");
        foreach (var (of, count) in metrics.Jobs) Line(page, "runnervm_jobs_total", $"forge=\"{Escape(of.Forge)}\",result=\"{of.Result}\"", count);
        WriteHistogram(page, "runnervm_queue_to_start_seconds", "From a job's entering its forge's queue to its start in a machine here.", "forge", metrics.Queued);
        WriteHistogram(page, "runnervm_phase_seconds", "How long each phase of a run took.", "phase", metrics.Phases);
        WriteFigures(page);
        return page.ToString();
    }

    private void WriteCapacity(StringBuilder page)
    {
        var free = capacity.Free;
        Head(page, "runnervm_capacity", "gauge", "What jobs may have of this host, and what of it is free.");
        foreach (var (kind, all, left) in ((string, double, double)[])
        [
            ("jobs", capacity.Jobs, free.Jobs), ("cpus", capacity.Size.Cpus, free.Size.Cpus), ("memory_mib", capacity.Size.MemoryMib, free.Size.MemoryMib),
        ])
        {
            Line(page, "runnervm_capacity", $"kind=\"{kind}\",state=\"all\"", all);
            Line(page, "runnervm_capacity", $"kind=\"{kind}\",state=\"free\"", left);
        }
    }

    /// <summary>What several forges share is told once: a series that came twice would be refused with all the rest.</summary>
    private void WriteFigures(StringBuilder page)
    {
        var all = forges.SelectMany(static forge => forge.Figures.Select(figure => (Of: figure.Of ?? forge.Name, Figure: figure)));
        foreach (var group in all.DistinctBy(static f => (f.Of, f.Figure.Name, f.Figure.Labels)).GroupBy(static f => f.Figure.Name))
        {
            var first = group.First().Figure;
            Head(page, group.Key, first.IsCounter ? "counter" : "gauge", first.Help);
            foreach (var (of, figure) in group) Line(page, group.Key, $"forge=\"{Escape(of)}\"{(figure.Labels.Length > 0 ? "," : "")}{figure.Labels}", figure.Value);
        }
    }

    private static void WriteHistogram(StringBuilder page, string name, string help, string label, IEnumerable<KeyValuePair<string, Histogram>> histograms)
    {
        Head(page, name, "histogram", help);
        foreach (var (value, histogram) in histograms)
        {
            var labels = $"{label}=\"{Escape(value)}\"";
            var (cumulative, sum) = histogram.Read();
            for (var i = 0; i < cumulative.Count; i++)
                Line(page, $"{name}_bucket", $"{labels},le=\"{(i < Histogram.Bounds.Length ? Number(Histogram.Bounds[i]) : "+Inf")}\"", cumulative[i]);
            Line(page, $"{name}_sum", labels, sum);
            Line(page, $"{name}_count", labels, cumulative[^1]);
        }
    }

    private static void Head(StringBuilder page, string name, string type, string help) => page.Append($"# HELP {name} {help}\n# TYPE {name} {type}\n");

    private static void Line(StringBuilder page, string name, string labels, double value) => page.Append($"{name}{{{labels}}} {Number(value)}\n");

    private static string Number(double value) => value.ToString("0.######", CultureInfo.InvariantCulture);

    private static string Escape(string label) => label.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}

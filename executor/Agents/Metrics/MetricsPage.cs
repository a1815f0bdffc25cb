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

        Head(page, "runnervm_jobs_total", "counter", "Jobs that ended, by how.");
        foreach (var (result, count) in metrics.Jobs) Line(page, "runnervm_jobs_total", $"result=\"{result}\"", count);
        WritePhases(page);
        foreach (var group in forges.SelectMany(static forge => forge.Figures.Select(figure => (forge.Name, figure))).GroupBy(static f => f.figure.Name))
        {
            Head(page, group.Key, "gauge", group.First().figure.Help);
            foreach (var (forge, figure) in group) Line(page, group.Key, $"forge=\"{Escape(forge)}\"{(figure.Labels.Length > 0 ? "," : "")}{figure.Labels}", figure.Value);
        }

        return page.ToString();
    }

    private void WritePhases(StringBuilder page)
    {
        Head(page, "runnervm_phase_seconds", "histogram", "How long each phase of a job took.");
        foreach (var (phase, histogram) in metrics.Phases)
        {
            var (cumulative, sum) = histogram.Read();
            for (var i = 0; i < cumulative.Count; i++)
                Line(page, "runnervm_phase_seconds_bucket", $"phase=\"{phase}\",le=\"{(i < Histogram.Bounds.Length ? Number(Histogram.Bounds[i]) : "+Inf")}\"", cumulative[i]);
            Line(page, "runnervm_phase_seconds_sum", $"phase=\"{phase}\"", sum);
            Line(page, "runnervm_phase_seconds_count", $"phase=\"{phase}\"", cumulative[^1]);
        }
    }

    private static void Head(StringBuilder page, string name, string type, string help) => page.Append($"# HELP {name} {help}\n# TYPE {name} {type}\n");

    private static void Line(StringBuilder page, string name, string labels, double value) => page.Append($"{name}{{{labels}}} {Number(value)}\n");

    private static string Number(double value) => value.ToString("0.######", CultureInfo.InvariantCulture);

    private static string Escape(string label) => label.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}

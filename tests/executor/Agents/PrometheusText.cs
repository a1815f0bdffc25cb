using System.Globalization;
using System.Text.RegularExpressions;
using Xunit;

namespace RunnerVm.Tests.Executor.Agents;

/// <summary>The rules of Prometheus' text format 0.0.4, as its parser and promtool check them.</summary>
internal static partial class PrometheusText
{
    /// <summary>Fails with the line that breaks a rule.</summary>
    public static void Check(string page)
    {
        Assert.EndsWith("\n", page, StringComparison.Ordinal);
        var (types, series, finished) = (new Dictionary<string, string>(), new Dictionary<string, double>(), new HashSet<string>());
        string? current = null;
        foreach (var line in page.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (Help().IsMatch(line)) continue;
            if (Type().Match(line) is { Success: true } type)
            {
                if (current is not null) finished.Add(current);
                current = type.Groups[1].Value;
                Assert.True(types.TryAdd(current, type.Groups[2].Value), $"a second TYPE: {line}");
                continue;
            }

            var sample = Sample().Match(line);
            Assert.True(sample.Success, $"no sample: {line}");
            var name = sample.Groups[1].Value;
            Assert.True(current is not null && Belongs(name, current, types[current]), $"a sample outside its group: {line}");
            Assert.DoesNotContain(current!, finished);
            Assert.True(series.TryAdd($"{name}{sample.Groups[2].Value}", double.Parse(sample.Groups[3].Value, CultureInfo.InvariantCulture)), $"a series that comes twice: {line}");
            var labels = Label().Matches(sample.Groups[2].Value).Select(static l => l.Groups[1].Value).ToList();
            Assert.True(labels.Distinct().Count() == labels.Count, $"a label that comes twice: {line}");
        }

        foreach (var (name, type) in types)
        {
            Assert.True((type == "counter") == name.EndsWith("_total", StringComparison.Ordinal), $"{name} is a {type}");
            if (type == "histogram") CheckHistogram(name, series);
        }
    }

    /// <summary>Buckets grow, and the last one is the count.</summary>
    private static void CheckHistogram(string name, Dictionary<string, double> series)
    {
        foreach (var (key, count) in series.Where(s => s.Key.StartsWith(name + "_count{", StringComparison.Ordinal)))
        {
            var labels = key[(name.Length + "_count{".Length)..^1];
            var buckets = series.Where(s => s.Key.StartsWith($"{name}_bucket{{{labels},le=", StringComparison.Ordinal)).ToList();
            Assert.Equal(buckets.Select(static b => b.Value).Order(), buckets.Select(static b => b.Value));
            Assert.Equal((count, true), (buckets[^1].Value, buckets[^1].Key.EndsWith("le=\"+Inf\"}", StringComparison.Ordinal)));
            Assert.Contains($"{name}_sum{{{labels}}}", series.Keys);
        }
    }

    private static bool Belongs(string sample, string metric, string type) =>
        sample == metric || (type == "histogram" && sample.StartsWith(metric, StringComparison.Ordinal) && sample[metric.Length..] is "_bucket" or "_sum" or "_count");

    [GeneratedRegex("^# HELP [a-zA-Z_:][a-zA-Z0-9_:]* .+$")]
    private static partial Regex Help();

    [GeneratedRegex("^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|summary|untyped)$")]
    private static partial Regex Type();

    [GeneratedRegex("""^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\n"])*",?)*\})? ([0-9.eE+-]+|\+Inf|NaN)$""")]
    private static partial Regex Sample();

    [GeneratedRegex("([a-zA-Z_][a-zA-Z0-9_]*)=\"(?:[^\"\\\\]|\\\\.)*\"")]
    private static partial Regex Label();
}

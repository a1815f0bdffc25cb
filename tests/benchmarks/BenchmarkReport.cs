using System.Globalization;
using System.Text.Json;

namespace RunnerVm.Benchmarks;

/// <summary>Prints figures as they come, one a line, aligned for people or as JSON, each with the bound it has to hold.</summary>
internal sealed class BenchmarkReport(TextWriter output, bool json)
{
    private string _benchmark = "";

    /// <summary>False once a figure broke its bound.</summary>
    public bool AllHeld { get; private set; } = true;

    public void Begin(Benchmark benchmark)
    {
        _benchmark = benchmark.Name;
        if (!json)
            output.WriteLine($"{benchmark.Name}: {benchmark.Summary}");
    }

    /// <summary>One figure. A bound is a least value when <paramref name="higherIsBetter"/>, else a most; null is none.</summary>
    public void Figure(string what, double value, string unit, double? bound = null, bool higherIsBetter = true)
    {
        bool held = bound is not { } limit || (higherIsBetter ? value >= limit : value <= limit);
        AllHeld &= held;
        string text = value.ToString(value >= 100 ? "F0" : "F2", CultureInfo.InvariantCulture);
        if (json)
        {
            using var line = new MemoryStream();
            WriteJson(line, what, value, unit, bound, held);
            output.WriteLine(System.Text.Encoding.UTF8.GetString(line.ToArray()));
            return;
        }

        string limitText = bound is { } shown ? $"   {(higherIsBetter ? "≥" : "≤")} {shown:G6} {(held ? "held" : "BROKEN")}" : "";
        output.WriteLine($"  {what,-58} {text,10} {unit}{limitText}");
    }

    /// <summary>
    /// Megabytes (10^6 bytes) a second of processor time, so that neighbours on the machine do not count: the median of
    /// <paramref name="rounds"/> runs, after one that does not count. For work on one thread that waits for nothing.
    /// </summary>
    public void Throughput(string what, long bytes, int rounds, double? bound, Action run)
    {
        run();
        var rates = new double[rounds];
        for (int round = 0; round < rounds; round++)
        {
            TimeSpan start = Environment.CpuUsage.TotalTime;
            run();
            rates[round] = bytes / 1e6 / (Environment.CpuUsage.TotalTime - start).TotalSeconds;
        }

        Array.Sort(rates);
        Figure(what, rates[rounds / 2], "MB/s", bound);
    }

    private void WriteJson(Stream line, string what, double value, string unit, double? bound, bool held)
    {
        using var writer = new Utf8JsonWriter(line);
        writer.WriteStartObject();
        writer.WriteString("benchmark", _benchmark);
        writer.WriteString("what", what);
        writer.WriteNumber("value", Math.Round(value, 3));
        writer.WriteString("unit", unit);
        if (bound is { } limit)
            writer.WriteNumber("bound", limit);
        writer.WriteBoolean("held", held);
        writer.WriteEndObject();
    }
}

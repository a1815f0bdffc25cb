using System.Text.Json;
using System.Text.Json.Serialization;

namespace RunnerVm.Operate.Bench;

/// <summary>What was measured, and on what.</summary>
/// <param name="Skipped">What was not measured, and why: a sentence each.</param>
internal sealed record BenchReport(BenchHost Host, DateTimeOffset When, int Runs, IReadOnlyList<StartFigures> Starts, IReadOnlyList<LoopFigures> Loops, IReadOnlyList<string> Skipped)
{
    public string ToJson() => JsonSerializer.Serialize(BenchDocument.Of(this), BenchJson.Default.BenchDocument);
}

/// <param name="Load">The host's one-minute load average when the bench began: figures of a busy host are a busy host's.</param>
/// <param name="Image">The job image all contenders run in.</param>
internal sealed record BenchHost(string Cpu, int Cpus, string Kernel, double Load, string Image);

/// <summary>The report as its JSON shows it.</summary>
internal sealed record BenchDocument(BenchHost Host, DateTimeOffset When, int Runs, IReadOnlyList<BenchStart> Starts, IReadOnlyList<LoopFigures> Loops, IReadOnlyList<string> Skipped)
{
    public static BenchDocument Of(BenchReport report) =>
        new(report.Host, report.When, report.Runs, [.. report.Starts.Select(BenchStart.Of)], report.Loops, report.Skipped);
}

/// <summary>Milliseconds, and MiB.</summary>
internal sealed record BenchStart(
    string Name, BenchTimes FirstLine, BenchTimes Exit, int AtOnce, BenchTimes FirstLineAtOnce, BenchTimes ExitAtOnce,
    double? CpuMilliseconds, double? PssMib, double? PssMibAtOnce)
{
    public static BenchStart Of(StartFigures figures) => new(
        figures.Name, BenchTimes.Of(figures.FirstLine), BenchTimes.Of(figures.Exit), figures.AtOnce,
        BenchTimes.Of(figures.FirstLineAtOnce), BenchTimes.Of(figures.ExitAtOnce),
        figures.CpuMilliseconds, figures.PssMib, figures.PssMibAtOnce);
}

internal sealed record BenchTimes(double P50, double P95, double P99, double Mean, IReadOnlyList<double> Samples)
{
    public static BenchTimes Of(Distribution values) => new(values.P50, values.P95, values.P99, values.Mean, values.Samples);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(BenchDocument))]
internal sealed partial class BenchJson : JsonSerializerContext;

namespace RunnerVm.Benchmarks;

/// <summary>A named group of figures.</summary>
/// <param name="Name">What is typed to run it.</param>
/// <param name="Summary">One line for the list.</param>
/// <param name="Run">Measures, and hands every figure to the report.</param>
internal sealed record Benchmark(string Name, string Summary, Action<BenchmarkReport> Run);

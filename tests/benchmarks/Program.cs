using RunnerVm.Benchmarks;

if (args is [ManyJobs.Role, var server, var token]) return await ManyJobs.BeAgentAsync(new(server), token);

// Every figure we hold ourselves to has a line here. `benchmarks` lists them, `benchmarks <name>... [--json]` runs them.
Benchmark[] all =
[
    new("version", "The program's own start", StartBenchmarks.Version),
    new("hello", "A hello job in a cold machine", StartBenchmarks.ColdHello),
    new("restored", "A hello job in a machine restored from a snapshot", StartBenchmarks.RestoredHello),
    new("latency", "A log line on its way into a machine and back", LatencyBenchmark.Run),
    new("stream", "Log throughput on the host's side", StreamBenchmark.Run),
    new("masking", "Log bytes through the secret masker", MaskingBenchmark.Run),
    new("egress", "A machine's way out", EgressBenchmark.Run),
    new("vmm", "Our monitor beside a guest of a few instructions", MonitorBenchmarks.Run),
    new("gitlab", "What the custom executor adds to each of gitlab-runner's calls", GitLabBenchmark.Run),
    new("restore", "Our monitor and a machine out of a snapshot", RestoreBenchmarks.Run),
    new("agent", "Two hundred short jobs of a GitLab's through the agent", AgentBenchmark.Run),
    new("github", "GitHub's jobs: waiting for a runner, jobs a minute, the agent's own cost of each", GitHubBenchmark.Run),
    new("github-idle", "The agent with twenty sources and nothing to do (--idle=MINUTES)", GitHubBenchmark.Idle),
    new("github-memory", "A thousand of GitHub's jobs through one agent", ManyJobs.Run),
    new("lab", "Our monitor beside QEMU on a KVM that is real", LabBenchmarks.Run),
];

if (args.FirstOrDefault(static argument => argument.StartsWith("--idle=", StringComparison.Ordinal)) is { } idle)
    GitHubBenchmark.IdleTime = TimeSpan.FromMinutes(double.Parse(idle["--idle=".Length..], System.Globalization.CultureInfo.InvariantCulture));
bool json = args.Contains("--json");
string[] names = [.. args.Where(argument => !argument.StartsWith("--", StringComparison.Ordinal))];
string[] unknown = [.. names.Where(name => name != "all" && all.All(benchmark => benchmark.Name != name))];
if (names.Length == 0 || unknown.Length > 0)
{
    foreach (string name in unknown)
        Console.Error.WriteLine($"No benchmark is called '{name}'.");
    Console.Error.WriteLine("Usage: benchmarks <name>... | all [--json] [--idle=MINUTES]");
    foreach (Benchmark benchmark in all)
        Console.Error.WriteLine($"  {benchmark.Name,-20} {benchmark.Summary}");
    return names.Length == 0 && unknown.Length == 0 ? 0 : 2;
}

var report = new BenchmarkReport(Console.Out, json);
foreach (Benchmark benchmark in all.Where(benchmark => names.Contains("all") || names.Contains(benchmark.Name)))
{
    report.Begin(benchmark);
    benchmark.Run(report);
}

return report.AllHeld ? 0 : 1;

using System.CommandLine;
using System.Globalization;
using RunnerVm.Images;
using RunnerVm.Jobs;
using RunnerVm.Machines;
using RunnerVm.Operate.Bench;
using RunnerVm.Options;
using RunnerVm.Store;

namespace RunnerVm.Commands;

/// <summary><c>runnervm bench</c>: what a start costs here, on each engine and beside the tools people know.</summary>
internal static class BenchCommand
{
    private const int MostRuns = 10_000, MostAtOnce = 500;

    private static readonly Option<int> Runs = new("--runs", "-n") { Description = "Starts of each, one after the other.", DefaultValueFactory = static _ => 20 };
    private static readonly Option<int> AtOnce = new("--at-once") { Description = "Starts in one batch.", DefaultValueFactory = static _ => 8 };
    private static readonly Option<bool> NoLoops = new("--no-loops") { Description = "Do not compare work inside with work outside." };
    private static readonly Option<bool> NoOthers = new("--no-others") { Description = "Only our engines, not podman, docker and runsc beside them." };
    private static readonly Option<bool> Json = new("--json") { Description = "Print JSON, with every single time in it." };
    private static readonly Option<string?> Svg = new("--svg") { Description = "Also draw the distribution into this file." };

    public static Command Create()
    {
        var command = new Command("bench", "Measure starts, memory and speed of each engine on this machine (--engine auto: of all).") { Runs, AtOnce, NoLoops, NoOthers, Json, Svg };
        MachineOptions.AddTo(command);
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        var (job, plan) = (MachineOptions.Job(parsed), new BenchPlan(parsed.GetValue(Runs), parsed.GetValue(AtOnce), !parsed.GetValue(NoLoops)));
        if (plan.Runs is < 1 or > MostRuns) throw new UserException(ExitCodes.Usage, $"{Runs.Name} {plan.Runs}: expected 1 to {MostRuns}");
        if (plan.AtOnce is < 1 or > MostAtOnce) throw new UserException(ExitCodes.Usage, $"{AtOnce.Name} {plan.AtOnce}: expected 1 to {MostAtOnce}");

        var folder = Directory.CreateTempSubdirectory("runnervm-bench-");
        try
        {
            var progress = new BenchProgress(Console.Error, !Console.IsErrorRedirected);
            var skipped = new List<string>();
            var ours = new Contenders(Environment.ProcessPath!, Kind(job), folder.FullName);
            List<Contender> contenders = [.. await EnginesAsync(ours, job, progress, skipped, cancellationToken)];
            if (!parsed.GetValue(NoOthers)) contenders.AddRange(await Contenders.OthersAsync(await RootAsync(job, cancellationToken), skipped, cancellationToken));

            var report = await new Benchmark(progress, plan).RunAsync(contenders, skipped, Host(job), TimeProvider.System.GetUtcNow(), cancellationToken);
            Console.Out.Write(parsed.GetValue(Json) ? report.ToJson() + "\n" : BenchPage.Lines(report));
            if (parsed.GetValue(Svg) is { } path) await File.WriteAllTextAsync(path, BenchPicture.Draw(report), cancellationToken);
            return report.Starts.Count > 0 ? ExitCodes.Ok : ExitCodes.Failed;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Those that are here, each with what it starts from made ready.</summary>
    private static async Task<IReadOnlyList<Contender>> EnginesAsync(Contenders ours, Job job, BenchProgress progress, List<string> skipped, CancellationToken cancellationToken)
    {
        var found = new List<Contender>();
        var choice = new Engines(DataDirectory.FromEnvironment(), InstallLayout.FromEnvironment(), TimeProvider.System).Choice;
        var asked = job.Machine.Engine;
        foreach (var name in asked == EngineChoice.Auto ? EngineChoice.KnownNames : [asked])
        {
            var (engine, availability) = await choice.CheckAsync(name, cancellationToken);
            if (engine is null || !availability.Available)
            {
                skipped.Add($"{name} is left out: {availability.Reason}.");
                continue;
            }

            if (engine is not ISnapshottingEngine)
            {
                found.Add(ours.Plain(name));
                continue;
            }

            progress.Say($"{name}: the snapshot");
            await using var session = await SnapshotSession.OpenAsync(name, cancellationToken);
            await session.MakeAsync(await session.KindAsync(job, cancellationToken), cancellationToken);
            found.AddRange([ours.Cold(name), ours.Restored(name)]);
        }

        return found;
    }

    private static async Task<string> RootAsync(Job job, CancellationToken cancellationToken)
    {
        var (data, layout, progress) = (DataDirectory.FromEnvironment(), InstallLayout.FromEnvironment(), new Progress<BuildProgress>());
        var image = await new ImageStore(data, new ImageRecipes(layout.JobImages), TimeProvider.System).BuildAsync(job.Image, refresh: false, progress, cancellationToken);
        return await new RootFolders(TimeProvider.System).GetAsync(image, progress, cancellationToken);
    }

    private static IReadOnlyList<string> Kind(Job job) =>
    [
        "--image", job.Image, "--cpus", $"{job.Machine.Cpus}", "--memory", $"{job.Machine.MemoryMib}MiB", "--disk", ByteSize.Format(job.Machine.DiskBytes),
        "--network", job.Network.Kind == NetworkKind.None ? "none" : "open",
    ];

    private static BenchHost Host(Job job) => new(
        HostCpu.Describe().FirstOrDefault(static line => line.StartsWith("model name ", StringComparison.Ordinal))?["model name ".Length..] ?? "unknown processor",
        Environment.ProcessorCount,
        File.ReadAllText("/proc/sys/kernel/osrelease").Trim(),
        double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture),
        $"{job.Image}, {job.Machine.Cpus} CPU, {job.Machine.MemoryMib} MiB");
}

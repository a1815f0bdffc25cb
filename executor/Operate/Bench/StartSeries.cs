namespace RunnerVm.Operate.Bench;

/// <summary>Starts of one contender: one after the other, some at once, and what they hold in memory meanwhile.</summary>
internal sealed class StartSeries(Contender contender, BenchProgress progress)
{
    private const string Hello = "echo hello";

    /// <summary>Says that it runs, and waits to be ended.</summary>
    private const string Hold = "echo ready; sleep 600";

    /// <param name="runs">One after the other, after one that is not counted.</param>
    /// <param name="atOnce">In one batch.</param>
    /// <exception cref="BenchException">It cannot be measured here.</exception>
    public async Task<StartFigures> MeasureAsync(int runs, int atOnce, CancellationToken cancellationToken)
    {
        await RunAsync(cancellationToken);
        var cpu = BenchProcess.ChildrenCpuMilliseconds();
        var alone = new List<BenchRun>();
        for (var run = 0; run < runs; run++)
        {
            progress.Say($"{contender.Name}: start {run + 1} of {runs}");
            alone.Add(await RunAsync(cancellationToken));
        }

        cpu = (BenchProcess.ChildrenCpuMilliseconds() - cpu) / runs;
        progress.Say($"{contender.Name}: {atOnce} at once");
        var crowd = await Task.WhenAll(Enumerable.Range(0, atOnce).Select(_ => RunAsync(cancellationToken)));
        return new(
            contender.Name, Of(alone, static r => r.FirstByte), Of(alone, static r => r.Exit), atOnce, Of(crowd, static r => r.FirstByte), Of(crowd, static r => r.Exit),
            contender.CountsCpu ? cpu : null, await HeldAsync(1, cancellationToken), await HeldAsync(atOnce, cancellationToken));
    }

    private Task<BenchRun> RunAsync(CancellationToken cancellationToken) => BenchProcess.RunAsync(contender, Hello, cancellationToken);

    /// <summary>Proportional set size of each, in MiB, while so many are up.</summary>
    private async Task<double?> HeldAsync(int count, CancellationToken cancellationToken)
    {
        if (!contender.SeesAll) return null;
        progress.Say($"{contender.Name}: memory of {count}");
        var held = Enumerable.Range(0, count).Select(_ => BenchProcess.Start(contender, Hold)).ToList();
        try
        {
            await Task.WhenAll(held.Select(h => h.WaitForOutputAsync(contender, cancellationToken)));
            return held.Sum(static h => h.PssBytes) / (double)(1 << 20) / count;
        }
        finally
        {
            await Task.WhenAll(held.Select(static h => h.EndAsync()));
            foreach (var process in held) process.Dispose();
        }
    }

    private static Distribution Of(IReadOnlyCollection<BenchRun> runs, Func<BenchRun, double> value) => new(runs.Select(value));
}

/// <summary>Times in milliseconds from the start of the process.</summary>
/// <param name="CpuMilliseconds">A start's, all processes together; null where they cannot be seen.</param>
/// <param name="PssMib">Of the one that is up; null likewise.</param>
/// <param name="PssMibAtOnce">Of each while <paramref name="AtOnce"/> are up.</param>
internal sealed record StartFigures(
    string Name, Distribution FirstLine, Distribution Exit, int AtOnce, Distribution FirstLineAtOnce, Distribution ExitAtOnce,
    double? CpuMilliseconds, double? PssMib, double? PssMibAtOnce);

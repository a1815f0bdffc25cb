using System.ComponentModel;

namespace RunnerVm.Operate.Bench;

/// <summary>Measures contenders one after the other; one that fails is told and left out.</summary>
internal sealed class Benchmark(BenchProgress progress, BenchPlan plan)
{
    public async Task<BenchReport> RunAsync(IReadOnlyList<Contender> contenders, IReadOnlyList<string> skipped, BenchHost host, DateTimeOffset when, CancellationToken cancellationToken)
    {
        var (starts, loops, notes) = (new List<StartFigures>(), new List<LoopFigures>(), skipped.ToList());
        var outside = plan.Loops ? await OutsideAsync(notes, cancellationToken) : null;
        foreach (var contender in contenders)
        {
            try
            {
                starts.Add(await new StartSeries(contender, progress).MeasureAsync(plan.Runs, plan.AtOnce, cancellationToken));
                if (outside is null || contender.SharesLoops) continue;
                progress.Say($"{contender.Name}: loops");
                var inside = await BenchProcess.RunAsync(contender, Loops.Script, cancellationToken);
                loops.Add(Loops.Compare(contender.Name, Loops.Parse(inside.Output), outside));
            }
            catch (Exception e) when (e is BenchException or Win32Exception)
            {
                notes.Add($"{contender.Name} is left out: {e.Message}");
            }
        }

        if (loops.Any(static l => l.Slowdown["compile"] is null)) notes.Add("No compile where there is no C compiler: neither the host's nor the image's is brought along.");
        progress.Clear();
        return new(host, when, plan.Runs, starts, loops, notes);
    }

    /// <summary>The loops on the host itself; twice, and the second time counts, since the first fills caches.</summary>
    private async Task<IReadOnlyDictionary<string, double?>?> OutsideAsync(List<string> notes, CancellationToken cancellationToken)
    {
        var host = new Contender("the host", static script => ["sh", "-c", script]);
        try
        {
            progress.Say("the host: loops");
            await BenchProcess.RunAsync(host, Loops.Script, cancellationToken);
            return Loops.Parse((await BenchProcess.RunAsync(host, Loops.Script, cancellationToken)).Output);
        }
        catch (Exception e) when (e is BenchException or Win32Exception)
        {
            notes.Add($"No loops: {e.Message}");
            return null;
        }
    }
}

/// <param name="Runs">Starts of each contender, one after the other.</param>
/// <param name="AtOnce">In one batch.</param>
/// <param name="Loops">Whether work inside is compared with work outside.</param>
internal sealed record BenchPlan(int Runs, int AtOnce, bool Loops);

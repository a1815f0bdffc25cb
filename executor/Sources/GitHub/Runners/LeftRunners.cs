using System.Collections.Concurrent;
using RunnerVm.Sources.GitHub.Rest;
using Serilog;

namespace RunnerVm.Sources.GitHub.Runners;

/// <summary>
/// Registrations whose machines are gone and that GitHub still has: left by an agent that was killed, or kept by GitHub until
/// it notices that their runner is. Looked at until they are gone.
/// </summary>
internal sealed class LeftRunners(string forge, GitHubJournal journal, IRunnerRegistry registry, RunnerFleet fleet, ILogger log, TimeProvider time)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(1);

    /// <summary>Two sweeps may meet at a start.</summary>
    private readonly ConcurrentDictionary<string, bool> _told = new();

    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            while (true)
            {
                await Task.Delay(await SweepAsync(stop) ? Pause : Pause / 6, time, stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The next start goes on.
        }
    }

    /// <returns>False: GitHub could not be asked.</returns>
    public async Task<bool> SweepAsync(CancellationToken cancellationToken)
    {
        foreach (var (job, runner) in journal.Runners(forge))
        {
            if (fleet.Knows(runner.Runner)) continue;
            try
            {
                await RemoveAsync(job, runner, cancellationToken);
            }
            catch (Exception e) when (e is GitHubException or UserException)
            {
                log.Warning("{Forge}: whether runner {Runner} is still registered cannot be seen now: {Why}", forge, runner.Runner, e.Message);
                return false;
            }
        }

        return true;
    }

    private async Task RemoveAsync(string job, RunnerRecord runner, CancellationToken cancellationToken)
    {
        var removal = await registry.FindAsync(runner.Runner, cancellationToken) is { } id ? await registry.RemoveAsync(id, cancellationToken) : RunnerRemoval.WasGone;
        if (removal == RunnerRemoval.StillBusy) return;
        journal.RemoveRunner(job);
        if (removal == RunnerRemoval.Removed) log.Warning("{Forge}: removed the registration of runner {Runner}, whose machine was gone", forge, runner.Runner);
        if (runner.Title is { } title && _told.TryAdd(runner.Runner, true)) log.Warning("{Forge}: {Title} was lost with the machine of runner {Runner}", forge, title, runner.Runner);
    }
}

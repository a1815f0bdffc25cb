using RunnerVm.Leases;
using RunnerVm.Sources;
using Serilog;

namespace RunnerVm.Agents;

/// <summary>The agent's life: what was left is cleared up and reported, then jobs are taken until it is told to stop.</summary>
internal sealed class Daemon(IReadOnlyList<IForge> forges, Capacity capacity, OrphanSweeper sweeper, AgentStop stop, ILogger log, TimeProvider time)
{
    /// <returns>When the last job has ended after a stop.</returns>
    public async Task RunAsync()
    {
        foreach (var swept in await sweeper.SweepAsync(stop.Aborting)) log.Warning("{Swept}", swept.ToString());
        // Their machines are gone; that GitLab cannot be reached just now keeps nobody from new jobs elsewhere.
        var finishing = Task.WhenAll(forges.Select(FinishInterruptedAsync));
        await Task.WhenAll(forges.Select(ServeAsync));
        await finishing;
    }

    private async Task ServeAsync(IForge forge)
    {
        await GreetAsync(forge);
        await new ForgeLoop(forge, capacity, stop, log, time).RunAsync();
    }

    /// <summary>Tells whoever starts the agent at once what would show by refusals later. A forge that is not well is asked all the same.</summary>
    private async Task GreetAsync(IForge forge)
    {
        try
        {
            var check = await forge.CheckAsync(stop.Draining);
            if (check.Good) log.Information("{Forge}: {Said}", forge.Name, check.Said);
            else log.Error("{Forge}: {Said}", forge.Name, check.Said);
        }
        catch (OperationCanceledException) when (stop.Draining.IsCancellationRequested)
        {
            // Nothing is asked any more.
        }
    }

    private async Task FinishInterruptedAsync(IForge forge)
    {
        try
        {
            await forge.FinishInterruptedAsync(stop.Draining);
        }
        catch (OperationCanceledException) when (stop.Draining.IsCancellationRequested)
        {
            // The next start has another go.
        }
        catch (Exception e)
        {
            log.Error(e, "{Forge}: jobs that an agent before left in the middle could not be finished", forge.Name);
        }
    }
}

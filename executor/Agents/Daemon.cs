using RunnerVm.Leases;
using RunnerVm.Sources;
using Serilog;

namespace RunnerVm.Agents;

/// <summary>The agent's life: what was left is cleared up and reported, then jobs are taken until it is told to stop.</summary>
/// <param name="forges">Owned from here on.</param>
internal sealed class Daemon(IReadOnlyList<IForge> forges, Capacity capacity, OrphanSweeper sweeper, AgentStop stop, ILogger log, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly List<Serving> _serving = [];
    private readonly List<Task> _tasks = [];

    /// <summary>Those that are asked now.</summary>
    public IReadOnlyList<IForge> Forges
    {
        get
        {
            lock (_lock) return [.. _serving.Select(static s => s.Forge)];
        }
    }

    /// <returns>When the last job has ended after a stop.</returns>
    public async Task RunAsync()
    {
        foreach (var swept in await sweeper.SweepAsync(stop.Aborting)) log.Warning("{Swept}", swept.ToString());
        Replace(forges);
        // Their machines are gone; that a forge cannot be reached just now keeps nobody from new jobs elsewhere.
        var finishing = Task.WhenAll(forges.Select(FinishInterruptedAsync));
        await Task.Delay(Timeout.InfiniteTimeSpan, time, stop.Draining).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Task[] tasks;
        lock (_lock) tasks = [.. _tasks];
        await Task.WhenAll([finishing, .. tasks]);
        foreach (var forge in forges) forge.Dispose();
    }

    /// <summary>
    /// From now on these are asked. One that is there already stays as it is; one that is not among them is asked no more, and its
    /// jobs run on to their end.
    /// </summary>
    public void Replace(IReadOnlyList<IForge> wanted)
    {
        lock (_lock)
        {
            var gone = _serving.Where(s => !wanted.Any(s.IsSame)).ToList();
            foreach (var serving in gone)
            {
                _serving.Remove(serving);
                // A successor is told before the one before it falls silent, so that what it listened to goes on.
                wanted.FirstOrDefault(serving.IsOfName)?.Succeed(serving.Forge);
                serving.Stop.Drain();
            }

            _tasks.RemoveAll(static task => task.IsCompleted);
            foreach (var forge in wanted)
            {
                if (_serving.Exists(s => s.IsSame(forge))) Drop(forge);
                else if (!stop.Draining.IsCancellationRequested) Begin(forge, gone.Find(s => s.IsOfName(forge)));
            }
        }
    }

    /// <summary>A new forge that says what one at work says already.</summary>
    private void Drop(IForge forge)
    {
        if (!_serving.Exists(s => s.Forge == forge)) forge.Dispose();
    }

    private void Begin(IForge forge, Serving? before)
    {
        var own = new AgentStop(stop);
        var serving = new Serving(forge, new(forge, capacity, own, log, time), own);
        _serving.Add(serving);
        _tasks.Add(ServeAsync(serving, before));
    }

    private async Task ServeAsync(Serving serving, Serving? before)
    {
        if (before is not null) await before.Loop.Silent;
        await serving.Loop.RunAsync();
        // The first ones may still be finishing what another agent left; they go with us.
        if (!forges.Contains(serving.Forge)) serving.Forge.Dispose();
        serving.Stop.Dispose();
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

    private sealed record Serving(IForge Forge, ForgeLoop Loop, AgentStop Stop)
    {
        public bool IsSame(IForge other) => Forge == other || (IsOfName(other) && Forge.Fingerprint.Length > 0 && Forge.Fingerprint == other.Fingerprint);

        /// <summary>A GitLab and a GitHub may be called the same.</summary>
        public bool IsOfName(IForge other) => Forge.Name == other.Name && Forge.GetType() == other.GetType();
    }
}

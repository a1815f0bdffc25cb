using System.Diagnostics;
using RunnerVm.Jobs;

namespace RunnerVm.Leases;

/// <summary>
/// Clears away what owners that were killed left: called at the start of every command that touches runs. Never
/// touches a run whose owner lives, and any number of sweepers may meet.
/// </summary>
internal sealed class OrphanSweeper(RunLedger ledger, TimeProvider time)
{
    /// <summary>A killed process ends at once, unless it waits for a disk.</summary>
    private static readonly TimeSpan KillLimit = TimeSpan.FromSeconds(10);

    /// <returns>What was found, for a notice; empty nearly always.</returns>
    public async Task<IReadOnlyList<SweptRun>> SweepAsync(CancellationToken cancellationToken)
    {
        var swept = new List<SweptRun>();
        foreach (var folder in ledger.Folders())
        {
            using var held = RunLock.TryTake(folder);
            if (held is null) continue;
            var record = RunRecord.Read(folder);
            var killed = record?.Engine is { } engine && await KillAsync(engine, cancellationToken);
            // The record goes last: what cannot be removed now is still known to the next sweep.
            var removed = RemoveUnfinished(record?.Unfinished) && held.RemoveFolder();
            swept.Add(new(folder, record?.JobId, record?.Phase, killed ? record?.Engine?.Pid : null, removed));
        }

        return swept;
    }

    private static bool RemoveUnfinished(string? path)
    {
        try
        {
            if (path is not null && Directory.Exists(path)) Directory.Delete(path, recursive: true);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return !Directory.Exists(path);
        }
    }

    private async Task<bool> KillAsync(ProcessIdentity engine, CancellationToken cancellationToken)
    {
        if (!engine.IsRunning()) return false;
        try
        {
            using var process = Process.GetProcessById(engine.Pid);
            process.Kill();
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return false; // It ended by itself, or is not ours to kill; then its folder stays busy and is told so.
        }

        // Not our child, so nothing announces its end; .NET has no pidfd.
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(10), time);
        var start = time.GetTimestamp();
        while (engine.IsRunning() && time.GetElapsedTime(start) < KillLimit)
            await tick.WaitForNextTickAsync(cancellationToken);
        return true;
    }
}

/// <param name="JobId">Null when its record could not be read.</param>
/// <param name="Phase">Where it was.</param>
/// <param name="KilledEnginePid">The machine's process, when it still ran.</param>
/// <param name="Removed">False: something could not be removed; the next sweep tries again.</param>
internal sealed record SweptRun(string Folder, string? JobId, JobPhase? Phase, int? KilledEnginePid, bool Removed)
{
    /// <summary>One line for people.</summary>
    public override string ToString() =>
        $"{(Removed ? "Swept" : "Could not fully sweep")} what was left of {(JobId is null ? "a job" : $"job {JobId}")}"
        + (Phase is { } phase ? $", killed while {phase}" : "")
        + (KilledEnginePid is { } pid ? $" (ended its machine, process {pid})" : "")
        + (Removed ? "." : $"; remove {Folder} by hand.");
}

using System.ComponentModel;
using System.Diagnostics;
using RunnerVm.Images;
using RunnerVm.Machines;

namespace RunnerVm.Snapshots;

/// <summary>Snapshots as a job meets them: one that fits, or the wish that the next job of its kind finds one.</summary>
/// <param name="makes">Whether a missing one is made.</param>
/// <param name="trials">Whether copies may be told for each other here.</param>
internal sealed class SnapshotShelf(SnapshotStore store, ISnapshottingEngine engine, bool makes, CloneRecord trials)
{
    private SnapshotKey? _key;

    /// <summary>Looks for one of the kind.</summary>
    public async Task<SnapshotFinding> FindAsync(MachineKind kind, CancellationToken cancellationToken)
    {
        var key = await SnapshotKey.ForAsync(engine, kind, cancellationToken);
        if (trials.Shared(engine.Name, key) is { } shared) return new(null, null, shared);
        _key = key;
        return store.Find(key);
    }

    /// <summary>Starts a copy, with a scratch disk of its own at the spec's path.</summary>
    /// <exception cref="MachineException">See <see cref="ISnapshottingEngine.RestoreAsync"/>.</exception>
    /// <exception cref="IOException">The copy of the scratch disk could not be made.</exception>
    public Task<Machine> RestoreAsync(MachineSpec spec, Snapshot snapshot, CancellationToken cancellationToken) =>
        snapshot.RestoreAsync(engine, spec, cancellationToken);

    /// <summary>For one that no machine woke up from.</summary>
    public void Discard(string why) => store.Discard(_key!, why);

    /// <summary>Starts a process that makes the snapshot there was none of, and does not wait for it.</summary>
    /// <param name="command">Of this program.</param>
    public void MakeInBackground(IReadOnlyList<string> command)
    {
        if (!makes || _key is null || !store.Wants(_key)) return;
        var root = Environment.GetEnvironmentVariable("RUNNERVM_ROOT");
        // A session of its own and nothing of ours: no pipe that somebody reads to its end, none of our environment.
        string[] arguments =
        [
            "--fork", "env", "-i", $"PATH={ProgramSearch.Path}", $"RUNNERVM_HOME={Path.GetDirectoryName(store.Folder)}",
            .. root is null ? (string[])[] : [$"RUNNERVM_ROOT={root}"],
            "sh", "-c", "exec nice -n 19 \"$0\" \"$@\" </dev/null >/dev/null 2>&1", Environment.ProcessPath!, .. command,
        ];
        try
        {
            using var started = Process.Start(new ProcessStartInfo("setsid", arguments) { WorkingDirectory = "/" });
        }
        catch (Win32Exception)
        {
            // Without setsid nothing is made, and every job boots as this one did.
        }
    }
}

using RunnerVm.Jobs;
using RunnerVm.Store;

namespace RunnerVm.Leases;

/// <summary>
/// The jobs that run on this host, one folder each: a lock held by the owner's process and a record of what to clean
/// up. Names are short because Unix sockets lie in these folders.
/// </summary>
internal sealed class RunLedger(DataDirectory data, TimeProvider time)
{
    private const int Attempts = 100;

    /// <summary>Enters a job. The lease is the caller's: disposing it removes the folder with all in it.</summary>
    /// <param name="name">Of its folder, at most 16 letters and digits; null for one by chance.</param>
    /// <exception cref="UserException">The data directory cannot be written, or the named folder is in use.</exception>
    public Lease Take(string jobId, string? name = null)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var folder = Path.Combine(data.Runs, name ?? HostRandom.Hex(8));
            try
            {
                Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new UserException(ExitCodes.RunnerFailed,
                    $"Cannot enter the job in {data.Runs}: {e.Message} Check its rights and the free space, or set RUNNERVM_HOME.", e);
            }

            if (RunLock.TryCreate(folder) is not { } held)
            {
                if (name is null) continue;
                throw new UserException(ExitCodes.RunnerFailed, $"Cannot enter the job in {folder}: it runs there already. End that run first.");
            }

            var record = new RunRecord(jobId, Environment.ProcessId, time.GetUtcNow(), JobPhase.Claimed, null);
            try
            {
                record.Write(folder);
                return new(held, record);
            }
            catch (DirectoryNotFoundException)
            {
                held.Dispose(); // Two sweepers and we met in the moment before the lock was ours.
            }
        }

        throw new UserException(ExitCodes.RunnerFailed,
            $"Cannot enter the job in {data.Runs}: no folder in it can be locked. Is it on a file system with flock?");
    }

    /// <summary>What stays of runs that are over.</summary>
    public string Logs => data.Logs;

    /// <summary>Folders of all runs, owned or not.</summary>
    public IReadOnlyList<string> Folders() => Directory.GetDirectories(data.Runs);
}

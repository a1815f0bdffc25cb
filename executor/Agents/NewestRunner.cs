using RunnerVm.Images.Runners;
using RunnerVm.Sources.GitHub;
using RunnerVm.Store;

namespace RunnerVm.Agents;

/// <summary>The newest version of GitHub's runner on this host, looked at again every few seconds: one may be fetched while the agent runs.</summary>
internal sealed class NewestRunner(DataDirectory data, TimeProvider time)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private long? _looked;
    private RunnerSoftware? _found;

    public RunnerSoftware? Look()
    {
        lock (_gate)
        {
            if (_looked is { } looked && time.GetElapsedTime(looked) < Fresh) return _found;
            _looked = time.GetTimestamp();
            return _found = new RunnerStore(data, time).List() is [var newest, ..] 
                ? new(newest.Version, newest.DaysLeft(time.GetUtcNow()), new(RunnerSoftware.DiskName, newest.Path))
                : null;
        }
    }
}

using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Processes;

namespace RunnerVm.GuestAgent.Thaw;

/// <summary>Where steps run, and how many have: counted from one in every machine, restored or not.</summary>
/// <param name="workspace">Absolute path of the folder the job works in.</param>
/// <param name="scriptFolder">Where scripts are kept while they run; in memory.</param>
/// <param name="scratch">The scratch disk's top folder, for asking how much room is left; null where there is none.</param>
/// <param name="cgroups">The job's cgroup, or null where the kernel has none.</param>
/// <param name="stepsBefore">The next step has the number after it.</param>
/// <param name="waiting">See <see cref="TakeWaiting"/>; its cgroup is the first step's.</param>
internal sealed class Workplace(string workspace, string scriptFolder, SafeFileHandle? scratch, JobCgroup? cgroups, int stepsBefore = 0, WaitingChild? waiting = null)
{
    private readonly int _stepsBefore = stepsBefore;
    private int _steps = stepsBefore;
    private WaitingChild? _waiting = waiting;

    public string Workspace => workspace;

    public string ScriptFolder => scriptFolder;

    public SafeFileHandle? Scratch => scratch;

    public JobCgroup? Cgroups => cgroups;

    /// <summary>The process of the first step, if one was forked ahead of time: whoever asks first gets it.</summary>
    public WaitingChild? TakeWaiting() => Interlocked.Exchange(ref _waiting, null);

    /// <summary>Whether no step has run here yet.</summary>
    public bool IsFresh => Volatile.Read(ref _steps) == _stepsBefore;

    public int NextStep() => Interlocked.Increment(ref _steps);
}

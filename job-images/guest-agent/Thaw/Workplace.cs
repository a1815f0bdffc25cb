using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Processes;

namespace RunnerVm.GuestAgent.Thaw;

/// <summary>Where steps run, and how many have: counted from one in every machine, restored or not.</summary>
/// <param name="workspace">Absolute path of the folder the job works in.</param>
/// <param name="scriptFolder">Where scripts are kept while they run; in memory.</param>
/// <param name="scratch">The scratch disk's top folder, for asking how much room is left; null where there is none.</param>
/// <param name="cgroups">The job's cgroup, or null where the kernel has none.</param>
internal sealed class Workplace(string workspace, string scriptFolder, SafeFileHandle? scratch, JobCgroup? cgroups)
{
    private int _steps;

    public string Workspace => workspace;

    public string ScriptFolder => scriptFolder;

    public SafeFileHandle? Scratch => scratch;

    public JobCgroup? Cgroups => cgroups;

    public int NextStep() => Interlocked.Increment(ref _steps);
}

using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Processes;

namespace RunnerVm.GuestAgent.Thaw;

/// <summary>What thaw has made for the steps that follow.</summary>
/// <param name="Workspace">Absolute path of the folder the job works in.</param>
/// <param name="ScriptFolder">Where scripts are kept while they run; in memory.</param>
/// <param name="Scratch">The scratch disk's top folder, for asking how much room is left; null where there is none.</param>
/// <param name="Cgroups">The job's cgroup, or null where the kernel has none.</param>
internal sealed record Workplace(string Workspace, string ScriptFolder, SafeFileHandle? Scratch, JobCgroup? Cgroups);

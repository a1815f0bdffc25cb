namespace RunnerVm.Jobs;

/// <summary>What the jobs of a forge that name this kind of machine run in.</summary>
/// <param name="Image">A recipe below <c>job-images/</c>.</param>
internal sealed record MachineClass(string Image, MachineRequest Request, NetworkRequest Network);

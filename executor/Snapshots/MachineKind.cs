using RunnerVm.Images;
using RunnerVm.Jobs;

namespace RunnerVm.Snapshots;

/// <summary>What jobs have in common that can start from one snapshot.</summary>
/// <param name="Files">Kernel, initramfs (with the agent) and root image.</param>
/// <param name="Network">Whether the machine has its way to the host's egress.</param>
internal sealed record MachineKind(MachineFiles Files, int Cpus, int MemoryMib, long DiskBytes, bool Network)
{
    public static MachineKind Of(Job job, MachineFiles files) =>
        new(files, job.Machine.Cpus, job.Machine.MemoryMib, job.Machine.DiskBytes, job.Network.Kind != NetworkKind.None);
}

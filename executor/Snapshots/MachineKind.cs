using RunnerVm.Images;
using RunnerVm.Jobs;
using RunnerVm.Machines;

namespace RunnerVm.Snapshots;

/// <summary>What jobs have in common that can start from one snapshot.</summary>
/// <param name="Files">Kernel, initramfs (with the agent) and root image.</param>
/// <param name="Disks">Read-only ones beside the image, in the machine's order.</param>
/// <param name="Network">Whether the machine has its way to the host's egress.</param>
internal sealed record MachineKind(MachineFiles Files, int Cpus, int MemoryMib, long DiskBytes, bool Network, IReadOnlyList<JobDisk> Disks)
{
    public static MachineKind Of(Job job, MachineFiles files) =>
        new(files, job.Machine.Cpus, job.Machine.MemoryMib, job.Machine.DiskBytes, job.Network.Kind != NetworkKind.None, job.Disks);

    /// <summary>One machine of the kind.</summary>
    /// <param name="runDirectory">Of its own; see <see cref="MachineSpec.RunDirectory"/>.</param>
    public MachineSpec ToSpec(string id, string runDirectory, string scratchDisk) => new()
    {
        Id = id,
        RunDirectory = runDirectory,
        KernelPath = Files.Kernel,
        InitramfsPath = Files.Initramfs,
        RootImagePath = Files.RootImage,
        ScratchDiskPath = scratchDisk,
        Disks = Disks,
        Cpus = Cpus,
        MemoryMib = MemoryMib,
    };
}

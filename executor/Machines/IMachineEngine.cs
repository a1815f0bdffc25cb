using RunnerVm.Jobs;

namespace RunnerVm.Machines;

/// <summary>
/// One way of making a machine: ours, Firecracker, QEMU, gVisor. An engine starts machines and says what it can do
/// here; it knows nothing of jobs, and the guest stream is bytes to it.
/// </summary>
internal interface IMachineEngine
{
    /// <summary>The name people write in <c>executor:</c> and <c>--engine</c>.</summary>
    string Name { get; }

    /// <summary>What stands between a job in this engine and the host.</summary>
    Isolation Isolation { get; }

    /// <summary>
    /// Whether a machine starts a kernel, which mounts the root image itself. Where it does not, the image is handed over as
    /// the folder it was unpacked to, and there is neither kernel nor initramfs.
    /// </summary>
    bool BootsKernel => true;

    /// <summary>
    /// Whether it can run here, and if not what to do about it. No machine is started; what costs more than
    /// milliseconds (a version, the ring-0 probe) is remembered in the data directory.
    /// </summary>
    Task<EngineAvailability> CheckAvailabilityAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Starts a machine and returns once its process runs and it has its disks open; the agent may not be up yet.
    /// The caller owns the machine and disposes it, which ends its process.
    /// </summary>
    /// <exception cref="MachineException">The process could not be started or ended at once.</exception>
    Task<Machine> StartAsync(MachineSpec spec, CancellationToken cancellationToken);
}

/// <param name="Available">It can start a machine now.</param>
/// <param name="Detail">What it would use, for example "QEMU 7.2.22, software CPU (TCG)".</param>
/// <param name="Reason">Why it is not available; null when it is.</param>
/// <param name="Fix">What to install or change; null when nothing helps or nothing is needed.</param>
/// <param name="Slow">It works, but slower than this machine's owner may expect, and why: said once to whoever starts a job.</param>
/// <param name="Caution">It works but for something, and for what: said likewise.</param>
internal sealed record EngineAvailability(
    bool Available, string Detail, string? Reason = null, string? Fix = null, string? Slow = null, string? Caution = null);

/// <summary>Everything an engine needs to start one machine.</summary>
internal sealed record MachineSpec
{
    /// <summary>Job id; also names processes where the engine allows it.</summary>
    public required string Id { get; init; }

    /// <summary>A folder of this machine's own for sockets and the like, removed by the caller afterwards. Kept short: a Unix socket's path ends at 107 bytes.</summary>
    public required string RunDirectory { get; init; }

    /// <summary>Uncompressed ELF kernel; empty for an engine that boots none.</summary>
    public required string KernelPath { get; init; }

    /// <summary>Uncompressed cpio with the agent as /init; empty for an engine that boots no kernel.</summary>
    public required string InitramfsPath { get; init; }

    /// <summary>erofs root image, attached read-only as the first disk (/dev/vda); a folder for an engine that boots no kernel.</summary>
    public required string RootImagePath { get; init; }

    /// <summary>Scratch disk, attached read-write as the second disk (/dev/vdb); the engine unlinks it once it is open.</summary>
    public required string ScratchDiskPath { get; init; }

    /// <summary>erofs files, attached read-only after those two (/dev/vdc and on).</summary>
    public IReadOnlyList<JobDisk> Disks { get; init; } = [];

    public required int Cpus { get; init; }

    public required int MemoryMib { get; init; }

    /// <summary>Added to the kernel command line. The guest and every user of the host can read them: never a secret.</summary>
    public IReadOnlyList<string> KernelArguments { get; init; } = [];

    /// <summary>Tells the agent the names of <see cref="Disks"/>, in their order; the kernel hands on what it does not know.</summary>
    public IEnumerable<string> DiskArguments => Disks.Count == 0 ? [] : [$"runnervm_disks={string.Join(',', Disks.Select(static d => d.Name))}"];
}

/// <summary>The machine could not be started. The message is for people.</summary>
internal sealed class MachineException : Exception
{
    public MachineException(string message, Exception? cause = null)
        : base(message, cause)
    {
    }
}

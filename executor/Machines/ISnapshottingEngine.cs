namespace RunnerVm.Machines;

/// <summary>
/// An engine that can lay a machine down in files and start any number of copies from there. A copy's memory is mapped
/// privately from the file, so restoring costs what the guest touches, whatever size its memory has.
/// </summary>
internal interface ISnapshottingEngine : IMachineEngine
{
    /// <summary>
    /// What a snapshot depends on beside the files and sizes of its <see cref="MachineSpec"/>, a line each: the engine's
    /// program, its version of the format, the processor. Equal lines promise that a restore works. Costs no process.
    /// </summary>
    Task<IReadOnlyList<string>> DescribeAsync(CancellationToken cancellationToken);

    /// <summary>
    /// As <see cref="IMachineEngine.StartAsync"/>, but with its memory in <see cref="SnapshotFiles.Memory"/>, and the scratch
    /// disk keeps its name: copies start from what is on it.
    /// </summary>
    /// <exception cref="MachineException">The process could not be started or ended at once.</exception>
    Task<SnapshotMachine> StartForSnapshotAsync(MachineSpec spec, SnapshotFiles files, CancellationToken cancellationToken);

    /// <summary>
    /// Starts a copy. Returns once its process runs and it has its disks open. The guest goes on where it was: its agent waits
    /// for a host's hello. Of the spec, kernel and initramfs are not read; all else must be as in the machine that was laid down,
    /// but for the paths, and the scratch disk must be a copy of that machine's at that moment.
    /// </summary>
    /// <param name="scratchDisk">
    /// Ends when the scratch disk is such a copy. Until then it is a file of its length, and the guest is not let on: what an engine
    /// can do before then, it does.
    /// </param>
    /// <exception cref="MachineException">The files do not make a machine; they may be read by others and are not touched.</exception>
    /// <exception cref="IOException">The scratch disk could not be copied.</exception>
    Task<Machine> RestoreAsync(MachineSpec spec, SnapshotFiles files, Task scratchDisk, CancellationToken cancellationToken);
}

/// <summary>The files of one snapshot.</summary>
/// <param name="Memory">The guest's memory, sparse. Machines map it: it must never change while it has this name.</param>
/// <param name="State">Processors and devices, less than a megabyte.</param>
internal sealed record SnapshotFiles(string Memory, string State);

/// <summary>A machine that can be laid down.</summary>
internal abstract class SnapshotMachine : Machine
{
    /// <summary>
    /// Stops the guest, writes the state file and ends the process; memory and scratch disk are then those of the same moment.
    /// The machine remains the caller's to dispose.
    /// </summary>
    /// <exception cref="MachineException">It could not be saved: what there is of the files is worthless.</exception>
    public abstract Task SaveAsync(CancellationToken cancellationToken);
}

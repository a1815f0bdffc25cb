namespace RunnerVm.Jobs;

/// <summary>What a machine takes of a host that other machines then cannot have.</summary>
internal readonly record struct MachineSize(int Cpus, int MemoryMib)
{
    public static MachineSize Of(MachineRequest machine) => new(machine.Cpus, machine.MemoryMib);

    public bool FitsInto(MachineSize room) => Cpus <= room.Cpus && MemoryMib <= room.MemoryMib;

    /// <summary>Large enough for either.</summary>
    public static MachineSize Largest(MachineSize one, MachineSize other) => new(Math.Max(one.Cpus, other.Cpus), Math.Max(one.MemoryMib, other.MemoryMib));

    public static MachineSize operator +(MachineSize one, MachineSize other) => new(one.Cpus + other.Cpus, one.MemoryMib + other.MemoryMib);

    public static MachineSize operator -(MachineSize one, MachineSize other) => new(one.Cpus - other.Cpus, one.MemoryMib - other.MemoryMib);

    public override string ToString() => $"{Cpus} CPUs and {MemoryMib} MiB";
}

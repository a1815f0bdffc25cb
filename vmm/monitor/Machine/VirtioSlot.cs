namespace RunnerVm.Vmm.Monitor.Machine;

/// <summary>Where the guest finds a virtio device: registers and interrupt line. As Firecracker places them.</summary>
internal readonly record struct VirtioSlot(ulong Address, uint Gsi)
{
    /// <summary>One interrupt line each: an edge that two devices share could be lost.</summary>
    public const int Most = (int)(MemoryLayout.LastVirtioGsi - MemoryLayout.FirstVirtioGsi + 1);

    public static VirtioSlot Number(int device) =>
        new(MemoryLayout.VirtioStart + ((ulong)device * MemoryLayout.VirtioLength), MemoryLayout.FirstVirtioGsi + (uint)device);
}

namespace RunnerVm.Vmm.Monitor.Machine;

/// <summary>Where the guest finds a virtio device: registers and interrupt line.</summary>
internal readonly record struct VirtioSlot(ulong Address, uint Gsi)
{
    /// <summary>One for each device, in their order, as Firecracker places them.</summary>
    public static IReadOnlyList<VirtioSlot> For(int devices) =>
        [.. Enumerable.Range(0, devices).Select(static i => new VirtioSlot(
            MemoryLayout.VirtioStart + ((ulong)i * MemoryLayout.VirtioLength), MemoryLayout.FirstVirtioGsi + (uint)i))];
}

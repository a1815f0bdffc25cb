namespace RunnerVm.Vmm.Native.Memory;

/// <summary>A guest physical address. Never an address of ours.</summary>
internal readonly record struct GuestAddress(ulong Value)
{
    /// <summary>Wraps around like the hardware; <see cref="GuestMemory"/> refuses what that leads to.</summary>
    public static GuestAddress operator +(GuestAddress address, ulong offset) => new(unchecked(address.Value + offset));

    public override string ToString() => $"0x{Value:x}";
}

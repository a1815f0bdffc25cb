namespace RunnerVm.Vmm.Native.Memory;

/// <summary>The guest named memory it does not have.</summary>
internal sealed class GuestMemoryException(GuestAddress address, ulong length)
    : Exception($"{length} bytes at {address} are not in the guest's memory")
{
    public GuestAddress Address => address;

    public ulong Length => length;
}

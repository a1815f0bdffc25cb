using RunnerVm.Vmm.Native.Kvm;

namespace RunnerVm.Vmm.Monitor.Machine.Cpu;

/// <summary>Model specific registers as firmware leaves them to Linux. What is not here begins as KVM has it.</summary>
internal static class GuestMsrs
{
    private const uint MiscEnable = 0x1a0;
    private const ulong FastStrings = 1;

    /// <summary>Without a default type all memory would be uncached: there is no firmware to fill the ranges.</summary>
    private const uint MtrrDefaultType = 0x2ff;
    private const ulong MtrrEnabled = 1 << 11;
    private const ulong WriteBack = 6;

    public static void Set(KvmVcpu vcpu)
    {
        // One by one: a KVM that does not know the first says nothing of the second.
        vcpu.SetMsrs([new() { index = MtrrDefaultType, data = MtrrEnabled | WriteBack }]);
        vcpu.SetMsrs([new() { index = MiscEnable, data = FastStrings }]);
    }
}

using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Native.Kvm;

// What the last exit says. The page is shared with the kernel, not with the guest: it stands still between two runs.
internal sealed partial class KvmVcpu
{
    private const nuint ExitOffset = 32;
    private const nuint MmioDataOffset = ExitOffset + 8;

    /// <summary>After KVM_EXIT_IO.</summary>
    public kvm_run_io IoExit => _run.Read<kvm_run_io>(ExitOffset);

    /// <summary>After KVM_EXIT_MMIO.</summary>
    public kvm_run_mmio MmioExit => _run.Read<kvm_run_mmio>(ExitOffset);

    /// <summary>After KVM_EXIT_FAIL_ENTRY.</summary>
    public kvm_run_fail_entry FailedEntry => _run.Read<kvm_run_fail_entry>(ExitOffset);

    /// <summary>After KVM_EXIT_INTERNAL_ERROR.</summary>
    public kvm_run_internal InternalError => _run.Read<kvm_run_internal>(ExitOffset);

    /// <summary>After KVM_EXIT_SYSTEM_EVENT.</summary>
    public kvm_run_system_event SystemEvent => _run.Read<kvm_run_system_event>(ExitOffset);

    /// <summary>What the guest writes, or where we put what it reads: element after element. Until the next run.</summary>
    public Span<byte> IoData(in kvm_run_io exit) => _run.Slice((nuint)exit.data_offset, checked((int)(exit.count * exit.size)));

    /// <summary>Likewise for KVM_EXIT_MMIO: 1 to 8 bytes.</summary>
    public Span<byte> MmioData(in kvm_run_mmio exit) => _run.Slice(MmioDataOffset, (int)Math.Min(exit.len, sizeof(ulong)));
}

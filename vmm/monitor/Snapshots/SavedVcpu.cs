using System.Runtime.InteropServices;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Kvm;

namespace RunnerVm.Vmm.Monitor.Snapshots;

/// <summary>A virtual CPU's registers of every kind, in the orders KVM wants (Documentation/virt/kvm/api.rst).</summary>
internal static class SavedVcpu
{
    private const byte Version = 1;
    private const int MostCpuid = 256;
    private const int MostMsrs = 2048;
    private const int MostXsave = 64 * 1024;
    private const uint TimeStampCounter = 0x10;
    private const uint TscDeadline = 0x6e0;

    /// <summary>Parts in a million by which two hosts' counters may differ and still be one: no host measures its own better.</summary>
    private const uint TscTolerance = 250;

    /// <summary>While the vCPU stands still.</summary>
    public static void Save(KvmVcpu vcpu, SnapshotSupport support, StateWriter into) => into.Record(StateRecord.Vcpu, Version, record =>
    {
        record.Items(vcpu.Cpuid.ToArray().AsSpan());
        record.Number(vcpu.TscKhz);
        // First: reading it lets an INIT or SIPI that waits take effect, which changes all the others.
        record.Number(vcpu.MultiprocessingState);
        record.Number(vcpu.Registers);
        record.Number(vcpu.SystemRegisters);
        record.Bytes(vcpu.GetXsave(support.XsaveBytes));
        record.Number(vcpu.ExtendedControl);
        record.Number(vcpu.DebugRegisters);
        record.Number(vcpu.LocalApic);
        record.Items(ReadMsrs(vcpu, support.Msrs));
        // Last: reading the others may move an event along.
        record.Number(vcpu.Events);
    });

    /// <summary>Before it first runs. CPUID first, since it decides what the rest may be.</summary>
    /// <returns>What CPUID shows.</returns>
    public static void Restore(KvmVcpu vcpu, SnapshotSupport support, ref StateReader from)
    {
        var record = from.Record(StateRecord.Vcpu, Version);
        var cpuid = record.Items<kvm_cpuid_entry2>("CPUID", MostCpuid);
        HostCpu.MustSuit(cpuid, support.SavedCpuid, support.HostCpuid);
        SetFrequency(vcpu, record.Number<uint>(), support);
        vcpu.SetCpuid(cpuid);
        vcpu.MultiprocessingState = record.Number<uint>();
        vcpu.Registers = record.Number<kvm_regs>();
        vcpu.SystemRegisters = record.Number<kvm_sregs>();
        vcpu.SetXsave(Xsave(record.Bytes("XSAVE", MostXsave), support));
        vcpu.ExtendedControl = record.Number<kvm_xcrs>();
        vcpu.DebugRegisters = record.Number<kvm_debugregs>();
        // After the system registers, which say where it is; before the MSRs, one of which arms its timer.
        vcpu.LocalApic = record.Number<kvm_lapic_state>();
        WriteMsrs(vcpu, record.Items<kvm_msr_entry>("MSRs", MostMsrs));
        // After the registers: setting those drops a pending exception.
        vcpu.Events = record.Number<kvm_vcpu_events>();
        record.End("a vCPU");
    }

    private static void SetFrequency(KvmVcpu vcpu, uint saved, SnapshotSupport support)
    {
        var here = vcpu.TscKhz;
        if (saved == 0 || here == 0 || Math.Abs((long)saved - here) * 1_000_000 <= (long)here * TscTolerance) return;
        if (!support.ScalesTsc)
        {
            throw new BadStateException(
                $"was taken where the time stamp counter runs at {saved} kHz; here it runs at {here} kHz, and this processor cannot scale it. Restore it on a host like that one.");
        }

        vcpu.TscKhz = saved;
    }

    /// <summary>KVM reads as many bytes as this host's largest state has; what a smaller one had fits in front.</summary>
    private static byte[] Xsave(ReadOnlySpan<byte> saved, SnapshotSupport support)
    {
        if (saved.Length > support.XsaveBytes && saved[support.XsaveBytes..].ContainsAnyExcept((byte)0))
            throw new BadStateException($"has {saved.Length} bytes of extended processor state, and this host {support.XsaveBytes}. Restore it on a host like that one.");
        var area = new byte[support.XsaveBytes];
        saved[..Math.Min(saved.Length, area.Length)].CopyTo(area);
        return area;
    }

    /// <summary>Those that can be read: KVM's list has some that only other guests have.</summary>
    private static ReadOnlySpan<kvm_msr_entry> ReadMsrs(KvmVcpu vcpu, IReadOnlyList<uint> indices)
    {
        var msrs = indices.Select(static index => new kvm_msr_entry { index = index }).ToArray();
        var count = 0;
        for (var next = 0; next < msrs.Length;)
        {
            var rest = msrs.AsSpan(next);
            var read = vcpu.GetMsrs(rest);
            rest[..read].CopyTo(msrs.AsSpan(count));
            (count, next) = (count + read, next + read + 1); // KVM stops at the first it cannot read.
        }

        return msrs.AsSpan(0, count);
    }

    private static void WriteMsrs(KvmVcpu vcpu, kvm_msr_entry[] msrs)
    {
        var deadline = Array.FindIndex(msrs, static msr => msr.index == TscDeadline);
        if (deadline >= 0)
        {
            var counter = Array.Find(msrs, static msr => msr.index == TimeStampCounter).data;
            // An interrupt that was due and not yet delivered has no deadline any more; it comes now. One too many is nothing to
            // a kernel, one too few can be the last.
            if (msrs[deadline].data == 0) msrs[deadline].data = counter;
            // The deadline is a time of the counter, so it comes after the counter.
            (msrs[deadline], msrs[^1]) = (msrs[^1], msrs[deadline]);
        }

        for (var next = 0; next < msrs.Length;)
        {
            next += vcpu.SetMsrs(msrs.AsSpan(next));
            if (next == msrs.Length) return;
            // KVM lists some that this guest's CPUID does not have: they are zero and cannot be set.
            if (msrs[next].data != 0)
                throw new BadStateException($"has 0x{msrs[next].data:x} in model specific register 0x{msrs[next].index:x}, which this host's KVM does not take. Restore it on a host like the one it was taken on.");
            next++;
        }
    }
}

/// <summary>What saving and restoring needs to know of the host, asked while /dev/kvm is open.</summary>
internal sealed record SnapshotSupport
{
    /// <summary>The model specific registers KVM can save.</summary>
    public required IReadOnlyList<uint> Msrs { get; init; }

    public required int XsaveBytes { get; init; }

    public required bool ScalesTsc { get; init; }

    /// <summary>What this host has for guests, before any template.</summary>
    public required IReadOnlyList<kvm_cpuid_entry2> HostCpuid { get; init; }

    /// <summary>The same of the host a snapshot was taken on.</summary>
    public IReadOnlyList<kvm_cpuid_entry2> SavedCpuid { get; init; } = [];

    public static SnapshotSupport Of(KvmDevice kvm, IReadOnlyList<kvm_cpuid_entry2> hostCpuid) => new()
    {
        Msrs = kvm.SupportedMsrs(),
        XsaveBytes = Math.Max(KvmVcpu.LeastXsaveBytes, kvm.CheckExtension(KvmApi.KVM_CAP_XSAVE2)),
        ScalesTsc = kvm.CheckExtension(KvmApi.KVM_CAP_TSC_CONTROL) > 0,
        HostCpuid = hostCpuid,
    };
}

using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Machine.Cpu;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Kvm;

namespace RunnerVm.Vmm.Monitor.Machine;

/// <summary>
/// What every machine begins with, whatever it will be: KVM asked what it can do, a virtual machine that is empty, a thread. Most of a
/// millisecond's work, which a monitor does while it waits to be told the rest.
/// </summary>
/// <remarks>
/// No more than that: interrupt controllers and timer would need no configuration either, but they are devices on KVM's buses, and
/// what they replace there is freed after a slow grace period. Memory that is given to the machine after them waits for its end: 4 ms
/// with Linux 6.18, where nothing is waited for the other way round.
/// </remarks>
internal sealed class BareMachine : IDisposable
{
    private static readonly int[] NeededCapabilities =
    [
        KvmApi.KVM_CAP_IRQCHIP, KvmApi.KVM_CAP_USER_MEMORY, KvmApi.KVM_CAP_SET_TSS_ADDR, KvmApi.KVM_CAP_EXT_CPUID, KvmApi.KVM_CAP_MP_STATE,
        KvmApi.KVM_CAP_IRQFD, KvmApi.KVM_CAP_PIT2, KvmApi.KVM_CAP_IOEVENTFD, KvmApi.KVM_CAP_IMMEDIATE_EXIT,
        KvmApi.KVM_CAP_VCPU_EVENTS, KvmApi.KVM_CAP_DEBUGREGS, KvmApi.KVM_CAP_XSAVE, KvmApi.KVM_CAP_XCRS,
    ];

    private KvmVm? _vm;
    private VcpuThread? _thread;

    /// <exception cref="VmmFaultException">KVM has not what <paramref name="template"/> and every machine need.</exception>
    /// <exception cref="LinuxException">KVM is not there, not ours, or refuses.</exception>
    public BareMachine(CpuTemplate template)
    {
        Kvm = KvmDevice.Open();
        try
        {
            MustHave(template);
            _vm = Kvm.CreateVm();
            _vm.SetIdentityMapAddress(MemoryLayout.KvmIdentityMap);
            _vm.SetTssAddress(MemoryLayout.KvmTss);
            SupportedCpuid = Kvm.SupportedCpuid();
            _thread = new(0);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public KvmDevice Kvm { get; }

    /// <summary>What host and KVM can show a guest: asked once, since each leaf is an exit where the host is a guest itself.</summary>
    public IReadOnlyList<kvm_cpuid_entry2> SupportedCpuid { get; }

    /// <summary>Null where KVM cannot be used: whoever starts a machine will be told why.</summary>
    public static BareMachine? TryMake()
    {
        try
        {
            return new(new CpuTemplate(null));
        }
        catch (Exception e) when (e is LinuxException or VmmFaultException)
        {
            return null;
        }
    }

    /// <exception cref="VmmFaultException">KVM has it not.</exception>
    public void MustHave(CpuTemplate template)
    {
        foreach (var capability in template.Required(NeededCapabilities))
        {
            if (Kvm.CheckExtension(capability) == 0)
                throw new VmmFaultException($"kvm_capabilities: this host's KVM does not have capability {capability}. Use a kernel that has it.");
        }
    }

    /// <summary>Once; the caller's from now on.</summary>
    public KvmVm TakeVm() => Interlocked.Exchange(ref _vm, null) ?? throw new InvalidOperationException("The virtual machine was taken.");

    /// <summary>The caller's; that of the first virtual CPU has begun already.</summary>
    public VcpuThread TakeThread(int index) => (index == 0 ? Interlocked.Exchange(ref _thread, null) : null) ?? new(index);

    /// <summary>Of what was not taken; twice is once.</summary>
    public void Dispose()
    {
        Interlocked.Exchange(ref _thread, null)?.Dispose();
        Interlocked.Exchange(ref _vm, null)?.Dispose();
        Kvm.Dispose();
    }
}

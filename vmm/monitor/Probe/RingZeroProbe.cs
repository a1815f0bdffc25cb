using System.Diagnostics;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Kvm;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Probe;

/// <summary>
/// How fast guest ring 0 is. /dev/kvm says nothing about it: where our own host is a guest whose hypervisor emulates
/// ours, ring 0 runs below a million instructions a second and Linux never finishes booting.
/// </summary>
internal static class RingZeroProbe
{
    /// <summary>Emulated: 0.7 million were measured; real: hundreds of millions, nested paging of a software CPU included.</summary>
    public const double RealAbove = 50e6;

    /// <summary>
    /// Told apart before the million: they take 7 ms where ring 0 is emulated. The best of several counts, because the
    /// first entry into a guest costs a software CPU 25 ms, and a busy host takes the processor away for as long.
    /// </summary>
    private const uint FirstIterations = 5_000;
    private const int Attempts = 4;
    private const uint Iterations = 1_000_000;
    private const double HopelessBelow = 5e6;

    private const ulong CodeAddress = 0x1000;
    private const uint TssAddress = 0xfffbd000;

    /// <summary>Never throws; a failure is a report.</summary>
    public static ProbeReport Run()
    {
        var api = 0;
        try
        {
            using var kvm = KvmDevice.Open();
            api = kvm.ApiVersion();
            using var memory = MappedRegion.Anonymous(0x10000);
            using var vm = kvm.CreateVm();
            vm.SetTssAddress(TssAddress);
            vm.SetMemory(0, 0, memory);
            using var vcpu = vm.CreateVcpu(0);
            vcpu.SystemRegisters = FlatProtectedMode(vcpu.SystemRegisters);

            var speed = BestOf(vcpu, memory, FirstIterations, HopelessBelow);
            if (speed > HopelessBelow) speed = BestOf(vcpu, memory, Iterations, RealAbove);
            return ProbeReport.Ran(api, speed);
        }
        catch (LinuxException e)
        {
            return ProbeReport.Failed(api, e.Problem, e.Fix);
        }
    }

    /// <summary>The best of several measurements, or the first above what is enough.</summary>
    private static double BestOf(KvmVcpu vcpu, MappedRegion memory, uint iterations, double enough)
    {
        double best = 0;
        for (var attempt = 0; attempt < Attempts && best <= enough; attempt++) best = Math.Max(best, Measure(vcpu, memory, iterations));
        return best;
    }

    /// <summary>Iterations a second of dec; jnz in 32-bit code at privilege level 0.</summary>
    private static double Measure(KvmVcpu vcpu, MappedRegion memory, uint iterations)
    {
        memory.Write((nuint)CodeAddress, [
            0xb9, .. BitConverter.GetBytes(iterations), // mov ecx, iterations
            0x49,                                       // dec ecx
            0x75, 0xfd,                                 // jnz to the dec
            0xf4,                                       // hlt
        ]);
        vcpu.Registers = new() { rip = CodeAddress, rflags = 2 };
        var start = Stopwatch.GetTimestamp();
        var exit = vcpu.Run();
        var elapsed = Stopwatch.GetElapsedTime(start);
        if (exit != KvmApi.KVM_EXIT_HLT || (uint)vcpu.Registers.rcx != 0)
            throw new LinuxException($"run a loop in guest ring 0 (exit reason {exit})", Native.Libc.LibC.EINVAL);
        return iterations / elapsed.TotalSeconds;
    }

    /// <summary>
    /// Paging off, all segments from 0 to 4 GiB. Not real mode: Intel processors without unrestricted guests emulate
    /// that, however real their KVM is.
    /// </summary>
    private static kvm_sregs FlatProtectedMode(kvm_sregs registers)
    {
        var data = new kvm_segment
        {
            limit = uint.MaxValue, selector = 16, type = 3, present = 1, db = 1, s = 1, g = 1,
        };
        registers.cs = data with { selector = 8, type = 11 };
        registers.ds = registers.es = registers.fs = registers.gs = registers.ss = data;
        registers.cr0 |= 1;
        return registers;
    }
}

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
    /// Not timed. The first entry into a guest costs a software CPU 25 ms, once a boot: as much as 20,000 emulated iterations.
    /// </summary>
    private const uint WarmUpIterations = 1_000;

    /// <summary>Told apart before the million: 20,000 iterations take 30 ms where ring 0 is emulated.</summary>
    private const uint FirstIterations = 20_000;
    private const uint Iterations = 1_000_000;
    private const double HopelessBelow = 5e6;

    /// <summary>A busy host takes its processor away in the middle of a million; ring 0 is as fast as the best of a few.</summary>
    private const int MostTries = 6;

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

            Measure(vcpu, memory, WarmUpIterations);
            var speed = Measure(vcpu, memory, FirstIterations);
            if (speed > HopelessBelow) speed = Best(vcpu, memory);
            return ProbeReport.Ran(api, speed);
        }
        catch (LinuxException e)
        {
            return ProbeReport.Failed(api, e.Problem, e.Fix);
        }
    }

    private static double Best(KvmVcpu vcpu, MappedRegion memory)
    {
        var best = 0.0;
        for (var tries = 0; tries < MostTries && best <= RealAbove; tries++) best = Math.Max(best, Measure(vcpu, memory, Iterations));
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

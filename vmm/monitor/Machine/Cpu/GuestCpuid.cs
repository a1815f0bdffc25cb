using System.Text;
using RunnerVm.Vmm.Native.Kvm;

namespace RunnerVm.Vmm.Monitor.Machine.Cpu;

/// <summary>
/// What CPUID shows each vCPU: what host and KVM support, less what speaks of the host alone, with the guest's own topology.
/// References are to Intel's SDM, volume 2A (CPUID), and AMD's APM, volume 3, appendix E.
/// </summary>
internal sealed class GuestCpuid
{
    private const uint HypervisorLeaves = 0x4000_0000;
    private const uint KvmFeatures = 0x4000_0001;

    // Leaf 1, ECX.
    private const uint Monitor = 1 << 3;
    private const uint TscDeadlineTimer = 1 << 24;
    private const uint Hypervisor = 1u << 31;

    // Leaf 1, EDX.
    private const uint HyperThreading = 1 << 28;

    // Leaf 6, EAX.
    private const uint AlwaysRunningTimer = 1 << 2;

    // Leaf 0x8000_0001, ECX.
    private const uint CompatibleLegacyThreads = 1 << 1;

    private readonly kvm_cpuid_entry2[] _common;
    private readonly CpuTopology _topology;
    private readonly bool _amd;

    /// <param name="supported">KVM's answer to KVM_GET_SUPPORTED_CPUID.</param>
    /// <param name="tscDeadlineTimer">Whether KVM's local APIC has it; the supported set does not say.</param>
    public GuestCpuid(IReadOnlyList<kvm_cpuid_entry2> supported, CpuTopology topology, bool tscDeadlineTimer)
    {
        _topology = topology;
        _amd = supported.Any(static entry => entry.function == 0 && entry.ebx is 0x68747541 or 0x6f677948); // Auth(enticAMD), Hygo(nGenuine)
        _common = [.. supported.Where(static entry => !SpeaksOfHost(entry.function)).Select(entry => Filter(entry, tscDeadlineTimer)), .. Added(supported)];
        Array.Sort(_common, static (a, b) => (a.function, a.index).CompareTo((b.function, b.index)));
    }

    /// <summary>The same for all vCPUs; APIC ids are zero.</summary>
    public kvm_cpuid_entry2[] Common => _common;

    /// <summary>With this vCPU's APIC id in it.</summary>
    /// <param name="entries">As <see cref="Common"/>, perhaps changed by a template.</param>
    public static kvm_cpuid_entry2[] ForVcpu(kvm_cpuid_entry2[] entries, int vcpu)
    {
        var own = entries.ToArray();
        foreach (ref var entry in own.AsSpan())
        {
            switch (entry.function)
            {
                case 1:
                    entry.ebx = (entry.ebx & 0x00ff_ffff) | ((uint)vcpu << 24);
                    break;
                case 0xb or 0x1f:
                    entry.edx = (uint)vcpu;
                    break;
                case 0x8000_001e:
                    entry.eax = (uint)vcpu;
                    // Cores are numbered as their threads share them.
                    entry.ebx = (entry.ebx & 0xffff_ff00) | ((uint)vcpu / (((entry.ebx >> 8) & 0xff) + 1));
                    break;
            }
        }

        return own;
    }

    /// <summary>Serial number, performance counters, cache allocation, trace: nothing a guest is given.</summary>
    private static bool SpeaksOfHost(uint leaf) => leaf is 3 or 5 or 9 or 0xa or 0xf or 0x10 or 0x12 or 0x14 or 0x17 or 0x18 or 0x1a or 0x1b or 0x1c
        or 0xb or 0x1f // Made anew.
        or 0x8000_001b or 0x8000_001f or 0x8000_0020 or 0x8000_0022;

    private kvm_cpuid_entry2 Filter(kvm_cpuid_entry2 entry, bool tscDeadlineTimer)
    {
        switch (entry.function)
        {
            case 1:
                // CLFLUSH lines of 8 * 8 bytes; how many APIC ids the package has.
                entry.ebx = 8 << 8 | (1u << _topology.PackageBits) << 16;
                entry.ecx = (entry.ecx & ~Monitor) | Hypervisor | (tscDeadlineTimer ? TscDeadlineTimer : 0);
                entry.edx = _topology.Vcpus > 1 ? entry.edx | HyperThreading : entry.edx & ~HyperThreading;
                break;
            case 4 when !_amd:
                entry.eax = ShareCaches(entry.eax, CoresOfPackage << 26);
                break;
            case 6:
                // Of the power leaf a guest needs to know one thing: its local APIC's timer never stops.
                (entry.eax, entry.ebx, entry.ecx, entry.edx) = (entry.eax & AlwaysRunningTimer, 0, 0, 0);
                break;
            case HypervisorLeaves:
                entry.eax = KvmFeatures;
                break;
            case 0x8000_0001:
                entry.ecx = _amd && _topology.Vcpus > 1 ? entry.ecx | CompatibleLegacyThreads : entry.ecx & ~CompatibleLegacyThreads;
                break;
            case >= 0x8000_0002 and <= 0x8000_0004:
                BrandString(ref entry);
                break;
            case 0x8000_0008:
                // How many cores, and how many bits of the APIC id name them (AMD only; Intel keeps ECX zero).
                entry.ecx = _amd ? (uint)(_topology.Vcpus - 1) | ((uint)_topology.PackageBits << 12) : 0;
                break;
            case 0x8000_001d:
                entry.eax = ShareCaches(entry.eax, 0);
                break;
            case 0x8000_001e:
                entry.ebx = (uint)(_topology.ThreadsPerCore - 1) << 8;
                entry.ecx = 0; // One node.
                break;
        }

        return entry;
    }

    private uint CoresOfPackage => (1u << (_topology.PackageBits - _topology.ThreadBits)) - 1;

    /// <summary>Bits 25 to 14: one less than the threads that share the cache. The first two levels are a core's, the third is the package's.</summary>
    private uint ShareCaches(uint eax, uint cores)
    {
        if ((eax & 0x1f) == 0) return eax; // No cache.
        var level = (eax >> 5) & 7;
        var sharing = level < 3 ? (uint)_topology.ThreadsPerCore : 1u << _topology.PackageBits;
        return (eax & 0x3fff) | ((sharing - 1) << 14) | cores;
    }

    /// <summary>Leaves 0xB and 0x1F: how to take an APIC id apart. Every Linux asks them first, so they are there on any processor.</summary>
    private IEnumerable<kvm_cpuid_entry2> Added(IReadOnlyList<kvm_cpuid_entry2> supported)
    {
        var highest = supported.Where(static entry => entry.function == 0).Select(static entry => entry.eax).FirstOrDefault();
        foreach (var leaf in new uint[] { 0xb, 0x1f })
        {
            if (leaf > highest) continue;
            yield return Level(leaf, 0, 1, _topology.ThreadBits, _topology.ThreadsPerCore);
            yield return Level(leaf, 1, 2, _topology.PackageBits, _topology.Vcpus);
            yield return Level(leaf, 2, 0, 0, 0);
        }
    }

    /// <param name="type">1: threads of a core; 2: cores of a package; 0: the end.</param>
    private static kvm_cpuid_entry2 Level(uint leaf, uint index, uint type, int shift, int count) => new()
    {
        function = leaf,
        index = index,
        flags = KvmApi.KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
        eax = (uint)shift,
        ebx = (uint)count,
        ecx = index | (type << 8),
    };

    /// <summary>
    /// The vendor's name without the host's model. Linux takes a frequency from an Intel brand string, if one is in it; none is.
    /// </summary>
    private void BrandString(ref kvm_cpuid_entry2 entry)
    {
        Span<byte> brand = stackalloc byte[48];
        brand.Clear();
        Encoding.ASCII.GetBytes(_amd ? "AMD EPYC" : "Intel(R) Xeon(R) Processor", brand);
        var part = brand[(int)((entry.function - 0x8000_0002) * 16)..];
        (entry.eax, entry.ebx) = (BitConverter.ToUInt32(part), BitConverter.ToUInt32(part[4..]));
        (entry.ecx, entry.edx) = (BitConverter.ToUInt32(part[8..]), BitConverter.ToUInt32(part[12..]));
    }
}

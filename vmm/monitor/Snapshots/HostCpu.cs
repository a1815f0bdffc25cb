using RunnerVm.Vmm.Native.Kvm;

namespace RunnerVm.Vmm.Monitor.Snapshots;

/// <summary>
/// Whether a guest that was told what one processor can do may go on with another. A feature it was shown is one it uses: an
/// instruction that is missing would end one of its programs at any time later.
/// </summary>
internal static class HostCpu
{
    private const int Eax = 0, Ebx = 1, Ecx = 2, Edx = 3;

    /// <summary>The words of CPUID in which a bit is a feature.</summary>
    private static readonly (uint Leaf, uint Subleaf, int Register)[] Features =
    [
        (1, 0, Ecx), (1, 0, Edx), (7, 0, Ebx), (7, 0, Ecx), (7, 0, Edx), (7, 1, Eax), (7, 1, Edx), (7, 2, Edx), (0xd, 0, Eax), (0xd, 1, Eax),
        (0x8000_0001, 0, Ecx), (0x8000_0001, 0, Edx), (0x8000_0007, 0, Edx), (0x8000_0008, 0, Ebx), (0x8000_0021, 0, Eax),
        (0x4000_0001, 0, Eax), // KVM's own: its clock and what else a guest may talk to it about.
    ];

    /// <param name="guest">What the guest was shown.</param>
    /// <param name="there">What the host it was saved on had for guests.</param>
    /// <param name="here">What this one has.</param>
    /// <exception cref="BadStateException">Another vendor, or a feature that is missing.</exception>
    public static void MustSuit(IReadOnlyList<kvm_cpuid_entry2> guest, IReadOnlyList<kvm_cpuid_entry2> there, IReadOnlyList<kvm_cpuid_entry2> here)
    {
        foreach (var register in new[] { Ebx, Ecx, Edx })
        {
            if (Word(there, (0, 0, register)) != Word(here, (0, 0, register)))
                throw new BadStateException("was taken on a processor of another vendor (CPUID leaf 0x0). Restore it on a host like that one.");
        }

        foreach (var word in Features)
        {
            // What a CPU template claimed beyond its host was the operator's wish there, and is so here.
            var missing = Word(guest, word) & Word(there, word) & ~Word(here, word);
            if (missing == 0) continue;
            throw new BadStateException(
                $"was taken on another processor: CPUID leaf 0x{word.Leaf:x}, subleaf 0x{word.Subleaf:x}, {Name(word.Register)} has bits 0x{missing:x} that this host " +
                "does not have. Restore it on a host like that one, or boot with PUT /cpu-config that leaves them out.");
        }
    }

    private static uint Word(IReadOnlyList<kvm_cpuid_entry2> entries, (uint Leaf, uint Subleaf, int Register) word)
    {
        foreach (var entry in entries)
        {
            if (entry.function != word.Leaf || entry.index != word.Subleaf) continue;
            return word.Register switch { Eax => entry.eax, Ebx => entry.ebx, Ecx => entry.ecx, _ => entry.edx };
        }

        return 0;
    }

    private static string Name(int register) => register switch { Eax => "EAX", Ebx => "EBX", Ecx => "ECX", _ => "EDX" };
}

using System.Globalization;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Native.Kvm;

namespace RunnerVm.Vmm.Monitor.Machine.Cpu;

/// <summary>/cpu-config, read and checked: what to change in CPUID and model specific registers, and which capabilities KVM must have.</summary>
internal sealed class CpuTemplate
{
    private static readonly string[] Registers = ["eax", "ebx", "ecx", "edx"];

    private readonly List<(uint Leaf, uint Subleaf, uint Flags, int Register, BitPattern Bits)> _cpuid = [];
    private readonly List<(uint Index, BitPattern Bits)> _msrs = [];
    private readonly HashSet<int> _required = [];
    private readonly HashSet<int> _dispensed = [];

    /// <exception cref="VmmFaultException">A value that cannot be; names the field.</exception>
    public CpuTemplate(CpuConfiguration? configuration)
    {
        if (configuration is null) return;
        foreach (var capability in configuration.KvmCapabilities) AddCapability(capability);
        foreach (var modifier in configuration.CpuidModifiers) AddCpuid(modifier);
        foreach (var modifier in configuration.MsrModifiers)
            _msrs.Add((Hexadecimal(modifier.Addr, "msr_modifiers.addr"), BitPattern.Parse(modifier.Bitmap, 64, $"msr_modifiers[{modifier.Addr}].bitmap")));
    }

    /// <summary>What the machine needs anyway, with what the template adds and without what it waives.</summary>
    public IEnumerable<int> Required(IEnumerable<int> needed) => needed.Where(capability => !_dispensed.Contains(capability)).Union(_required);

    /// <exception cref="VmmFaultException">A leaf that this processor does not have.</exception>
    public void Apply(Span<kvm_cpuid_entry2> entries)
    {
        foreach (var (leaf, subleaf, flags, register, bits) in _cpuid)
        {
            var found = false;
            foreach (ref var entry in entries)
            {
                if (entry.function != leaf || entry.index != subleaf || entry.flags != flags) continue;
                found = true;
                switch (register)
                {
                    case 0:
                        entry.eax = (uint)bits.Apply(entry.eax);
                        break;
                    case 1:
                        entry.ebx = (uint)bits.Apply(entry.ebx);
                        break;
                    case 2:
                        entry.ecx = (uint)bits.Apply(entry.ecx);
                        break;
                    default:
                        entry.edx = (uint)bits.Apply(entry.edx);
                        break;
                }
            }

            if (!found)
                throw new VmmFaultException($"cpuid_modifiers: leaf 0x{leaf:x}, subleaf 0x{subleaf:x} with flags {flags} is not among what KVM supports here. Take it out.");
        }
    }

    /// <exception cref="VmmFaultException">A register that KVM does not let us read or write.</exception>
    public void Apply(KvmVcpu vcpu)
    {
        foreach (var (index, bits) in _msrs)
        {
            Span<kvm_msr_entry> msr = [new() { index = index }];
            if (vcpu.GetMsrs(msr) != 1) throw new VmmFaultException($"msr_modifiers: KVM has no register 0x{index:x} here. Take it out.");
            msr[0].data = bits.Apply(msr[0].data);
            if (vcpu.SetMsrs(msr) != 1) throw new VmmFaultException($"msr_modifiers: KVM refuses 0x{msr[0].data:x} for register 0x{index:x}. Change its bitmap.");
        }
    }

    private void AddCapability(string text)
    {
        var waived = text.StartsWith('!');
        if (!int.TryParse(waived ? text.AsSpan(1) : text, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            throw new VmmFaultException($"kvm_capabilities: \"{text}\" is not the number of a capability, with an optional ! before it. Write \"121\" or \"!121\".");
        (waived ? _dispensed : _required).Add(number);
    }

    private void AddCpuid(CpuidModifier modifier)
    {
        var leaf = Hexadecimal(modifier.Leaf, "cpuid_modifiers.leaf");
        var subleaf = Hexadecimal(modifier.Subleaf, "cpuid_modifiers.subleaf");
        foreach (var register in modifier.Modifiers)
        {
            var number = Array.IndexOf(Registers, register.Register);
            if (number < 0)
                throw new VmmFaultException($"cpuid_modifiers[{modifier.Leaf}].modifiers.register: \"{register.Register}\" is none. Write eax, ebx, ecx or edx.");
            _cpuid.Add((leaf, subleaf, modifier.Flags, number,
                BitPattern.Parse(register.Bitmap, 32, $"cpuid_modifiers[{modifier.Leaf}].modifiers[{register.Register}].bitmap")));
        }
    }

    private static uint Hexadecimal(string text, string field) =>
        text.StartsWith("0x", StringComparison.Ordinal) && uint.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw new VmmFaultException($"{field}: \"{text}\" is not a hexadecimal number of 32 bits. Write it like \"0x1a0\".");
}

/// <summary>Which bits to change and to what.</summary>
internal readonly record struct BitPattern(ulong Mask, ulong Value)
{
    public ulong Apply(ulong value) => (value & ~Mask) | Value;

    /// <summary>"0b" and then 0, 1 or x, most significant first; underscores may divide it. What is left out in front stays as it is.</summary>
    /// <exception cref="VmmFaultException">Something else, or too long.</exception>
    public static BitPattern Parse(string text, int bits, string field)
    {
        var digits = text.StartsWith("0b", StringComparison.Ordinal) ? text[2..].Replace("_", "", StringComparison.Ordinal) : "";
        if (digits.Length == 0 || digits.Length > bits || digits.Any(static digit => digit is not ('0' or '1' or 'x')))
            throw new VmmFaultException($"{field}: \"{text}\" is not \"0b\" with 1 to {bits} of the characters 0, 1 and x. Write it like \"0bx1x0\".");

        var (mask, value) = (0ul, 0ul);
        foreach (var digit in digits)
        {
            mask = (mask << 1) | (digit == 'x' ? 0ul : 1);
            value = (value << 1) | (digit == '1' ? 1ul : 0);
        }

        return new(mask, value);
    }
}

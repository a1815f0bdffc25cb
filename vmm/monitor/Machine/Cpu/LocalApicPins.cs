using System.Buffers.Binary;
using RunnerVm.Vmm.Native.Kvm;

namespace RunnerVm.Vmm.Monitor.Machine.Cpu;

/// <summary>The local APIC's two pins, wired as a PC's firmware does it: the PIC on one, NMI on the other.</summary>
internal static class LocalApicPins
{
    private const int Lint0 = 0x350;
    private const int Lint1 = 0x360;
    private const uint ModeMask = 0x700;
    private const uint ExternalInterrupt = 0x700;
    private const uint NonMaskable = 0x400;

    public static void Set(KvmVcpu vcpu)
    {
        var apic = vcpu.LocalApic;
        Span<byte> registers = apic.regs;
        Wire(registers[Lint0..], ExternalInterrupt);
        Wire(registers[Lint1..], NonMaskable);
        vcpu.LocalApic = apic;
    }

    private static void Wire(Span<byte> pin, uint mode) =>
        BinaryPrimitives.WriteUInt32LittleEndian(pin, (BinaryPrimitives.ReadUInt32LittleEndian(pin) & ~ModeMask) | mode);
}

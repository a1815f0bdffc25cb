using System.Buffers.Binary;
using RunnerVm.Vmm.Monitor.Machine;

namespace RunnerVm.Vmm.Monitor.Boot.Acpi;

/// <summary>Interrupt controllers (ACPI 6.5, 5.2.12).</summary>
internal static class Madt
{
    /// <summary>There is a pair of 8259s to mask.</summary>
    private const uint PcAtCompatible = 1;

    public static byte[] Make(int vcpus)
    {
        var body = new List<byte>();
        Double(MemoryLayout.LocalApic);
        Double(PcAtCompatible);

        // 5.2.12.2: processor, APIC id, enabled.
        for (var i = 0; i < vcpus; i++) body.AddRange([0, 8, (byte)i, (byte)i, 1, 0, 0, 0]);

        // 5.2.12.3: its lines begin at 0.
        body.AddRange([1, 12, 0, 0]);
        Double(MemoryLayout.IoApic);
        Double(0);

        // No override: KVM's default routes lead every line, the timer's too, to the pin of its own number, and all are
        // edges, active high, as ISA's are.

        // 5.2.12.7: NMI on pin 1 of every local APIC.
        body.AddRange([4, 6, 0xff, 0, 0, 1]);
        return AcpiTable.Make("APIC", 5, body.ToArray());

        void Double(uint value)
        {
            Span<byte> bytes = stackalloc byte[sizeof(uint)];
            BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
            body.AddRange(bytes);
        }
    }
}

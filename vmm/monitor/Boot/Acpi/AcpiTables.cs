using System.Buffers.Binary;
using RunnerVm.Vmm.Monitor.Machine;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Boot.Acpi;

/// <summary>
/// What the guest learns about the machine from ACPI: its processors, interrupt controller, virtio devices and legacy devices. Kernels of
/// distributions know virtio-mmio devices by nothing else.
/// </summary>
internal static class AcpiTables
{
    private const int Alignment = 16;

    /// <summary>RSDP first, where Linux looks for it; the others behind.</summary>
    public static void Write(GuestMemory memory, int vcpus, IReadOnlyList<VirtioSlot> devices)
    {
        var next = MemoryLayout.AcpiStart + 0x40;
        var dsdt = Place(Dsdt.Make(devices));
        var fadt = Place(Fadt.Make(dsdt));
        var madt = Place(Madt.Make(vcpus));
        var xsdt = Place(Xsdt(fadt, madt));
        memory.Write(new(MemoryLayout.AcpiStart), Rsdp(xsdt));

        ulong Place(byte[] table)
        {
            var address = next;
            memory.Write(new(address), table);
            next = (address + (ulong)table.Length + Alignment - 1) & ~(ulong)(Alignment - 1);
            return address;
        }
    }

    /// <summary>5.2.8</summary>
    private static byte[] Xsdt(params ulong[] tables)
    {
        var body = new byte[tables.Length * sizeof(ulong)];
        for (var i = 0; i < tables.Length; i++) BinaryPrimitives.WriteUInt64LittleEndian(body.AsSpan(i * sizeof(ulong)), tables[i]);
        return AcpiTable.Make("XSDT", 1, body);
    }

    /// <summary>5.2.5.3: two checksums, one over what ACPI 1.0 knew.</summary>
    private static byte[] Rsdp(ulong xsdt)
    {
        var rsdp = new byte[36];
        "RSD PTR "u8.CopyTo(rsdp);
        "RUNVM "u8.CopyTo(rsdp.AsSpan(9));
        rsdp[15] = 2;
        BinaryPrimitives.WriteUInt32LittleEndian(rsdp.AsSpan(20), (uint)rsdp.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(rsdp.AsSpan(24), xsdt);
        rsdp[8] = AcpiTable.Checksum(rsdp.AsSpan(0, 20));
        rsdp[32] = AcpiTable.Checksum(rsdp);
        return rsdp;
    }
}
